package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

func (s Suite) testLeases(t *testing.T) {
	open := s.Fresh(t)
	db := s.migrated(t, open)
	for i := range 200 {
		emit(t, db, message(fmt.Sprint("key", i), i))
	}
	a := lease(t, db.Queue(), "a")
	for _, l := range a.leases {
		if left := time.Until(l.Until); left <= 0 || left > ttl {
			t.Fatalf("lease of shard %d is trusted for %v of %v", l.Shard, left, ttl)
		}
	}
	if n := len(a.all()); n != 200 {
		t.Fatalf("the only relay sees %d of 200 rows", n)
	}
	if !s.Leased {
		t.Skip("no leases in this database")
	}

	b := &reader{t: t, q: opened(t, open).Queue(), owner: "b"}
	share := func(want int) {
		t.Helper()
		seen := make(map[int64]string)
		for _, r := range []*reader{a, b} {
			for _, rec := range r.all() {
				if by := seen[rec.Row]; by != "" {
					t.Fatalf("row %d is %s's and %s's", rec.Row, by, r.owner)
				}
				seen[rec.Row] = r.owner
			}
		}
		if len(seen) != want {
			t.Fatalf("both relays together see %d of %d rows", len(seen), want)
		}
	}
	total := len(a.leases)
	// Each gives up or takes at its own renewal, and what is given up may stay free for a moment.
	eventually(t, func() bool {
		a.renew()
		b.renew()
		return len(a.leases)+len(b.leases) == total && len(b.leases) >= total/2
	})
	share(200)
	if d := len(a.leases) - len(b.leases); d < -1 || d > 1 || len(a.leases)+len(b.leases) != total {
		t.Errorf("a holds %d and b %d of %d shards, want halves", len(a.leases), len(b.leases), total)
	}
	stale := &reader{t: t, q: a.q, owner: "a", leases: b.leases}
	if n := len(stale.all()); n != 0 {
		t.Errorf("a sees %d rows by b's leases", n)
	}
	must(t, b.q.Release(t.Context(), b.owner, b.leases))
	if n := len(b.all()); n != 0 {
		t.Errorf("b sees %d rows after its release", n)
	}
	for range 10 {
		a.renew()
	}
	if n := len(a.all()); n != 200 {
		t.Errorf("a sees %d of 200 rows after b's release", n)
	}
}

func (s Suite) testLifecycle(t *testing.T) {
	t.Run("migrate together", func(t *testing.T) {
		open := s.Fresh(t)
		var wg sync.WaitGroup
		for range 4 {
			db := opened(t, open)
			wg.Go(func() {
				for range 2 {
					if err := db.Migrate(t.Context()); err != nil {
						t.Errorf("migrate: %v", err)
					}
				}
			})
		}
		wg.Wait()
		db := opened(t, open)
		must(t, db.Ping(t.Context()))
		emit(t, db, message("k", 1))
		if n := len(lease(t, db.Queue(), "r").all()); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
	t.Run("close", func(t *testing.T) {
		db := s.Fresh(t)(t)
		must(t, db.Migrate(t.Context()))
		must(t, db.Close())
		err := db.InTx(t.Context(), func(context.Context, Tx) error { return nil })
		if err == nil || !db.Unavailable(err) {
			t.Errorf("InTx after Close: %v, want an error that says unavailable", err)
		}
		if err := db.Ping(t.Context()); err == nil {
			t.Error("Ping after Close succeeded")
		}
	})
	t.Run("survives", func(t *testing.T) {
		open := s.Fresh(t)
		db := open(t)
		must(t, db.Migrate(t.Context()))
		emit(t, db, message("k", 1))
		must(t, db.Close())
		again := opened(t, open)
		if got := lease(t, again.Queue(), "r").all(); len(got) != 1 || string(got[0].Payload) != "1" {
			t.Errorf("after reopening: %v, want the one row", payloads(got))
		}
	})
	t.Run("concurrent queue", func(t *testing.T) {
		db := s.one(t)
		q := db.Queue()
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 20 {
					if err := db.InTx(t.Context(), func(_ context.Context, tx Tx) error {
						return tx.Emit(message(fmt.Sprint("w", w, "-"), i))
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			for range 20 {
				if _, err := q.Stats(t.Context()); err != nil {
					t.Error(err)
				}
				if err := q.Delete(t.Context(), []int64{1 << 40}); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		st, err := q.Stats(t.Context())
		must(t, err)
		if st.Pending != 80 {
			t.Errorf("%d pending, want 80", st.Pending)
		}
		var held []outbox.Record
		r := lease(t, q, "r")
		for { // pages with held rows cover everything once
			recs := r.page(outbox.Page{Held: rowsOf(held), Limit: 7})
			if len(recs) == 0 {
				break
			}
			held = append(held, recs...)
		}
		if len(held) != 80 {
			t.Errorf("paging saw %d rows, want 80", len(held))
		}
	})
}
