package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

func (s Suite) testQueue(t *testing.T) {
	db := s.one(t)
	q := db.Queue()
	other := message("a", 9)
	other.Topic = "audit"
	emit(t, db, message("a", 1), message("b", 1), message("a", 2), other, message("c", 1))
	r := lease(t, q, "reader")
	all := r.all()
	held := []int64{all[0].Row, all[2].Row}
	for _, c := range []struct {
		name string
		page outbox.Page
		want []string
	}{
		{"everything", outbox.Page{}, []string{"a1", "b1", "a2", "a9", "c1"}},
		{"again: what was forgotten comes back", outbox.Page{}, []string{"a1", "b1", "a2", "a9", "c1"}},
		{"limit takes the oldest", outbox.Page{Limit: 2}, []string{"a1", "b1"}},
		{"held", outbox.Page{Held: held}, []string{"b1", "a9", "c1"}},
		{"held and limit", outbox.Page{Held: held, Limit: 1}, []string{"b1"}},
		{"unknown held", outbox.Page{Held: []int64{1 << 40}, Limit: 1}, []string{"a1"}},
		{"topic left out", outbox.Page{Topics: []string{"orders", "none"}}, []string{"a9"}},
		{"keys left out", outbox.Page{Keys: []outbox.Key{{Topic: "orders", Key: "a"}, {Topic: "audit", Key: "c"}}}, []string{"b1", "a9", "c1"}},
		{"all left out", outbox.Page{Topics: []string{"audit"}, Keys: []outbox.Key{{Topic: "orders", Key: "a"}, {Topic: "orders", Key: "b"}}, Held: []int64{all[4].Row}}, nil},
		{"at least one row, whatever the bytes", outbox.Page{Bytes: 1, Limit: 1}, []string{"a1"}},
		{"and then everything", outbox.Page{}, []string{"a1", "b1", "a2", "a9", "c1"}},
	} {
		r.t = t
		if got := payloads(r.page(c.page)); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got, err := q.Fetch(t.Context(), outbox.Page{Owner: "reader", Limit: 10}); err != nil || len(got) > 0 {
		t.Errorf("without leases: %d rows, %v; want none", len(got), err)
	}

	st, err := q.Stats(t.Context())
	must(t, err)
	if st.Pending != 5 || st.Dead != 0 || st.BlockedKeys != 0 || st.OldestAge < 0 {
		t.Errorf("stats %+v, want 5 pending", st)
	}
	letters, err := q.List(t.Context(), false, 3)
	must(t, err)
	if len(letters) != 3 || letters[0].Row != all[0].Row || !letters[0].DeadAt.IsZero() {
		t.Errorf("list: %+v, want the first three pending rows", letters)
	}

	must(t, q.Delete(t.Context(), nil))
	must(t, q.Delete(t.Context(), held))
	must(t, q.Delete(t.Context(), append(held, 1<<40))) // gone already
	if got, want := payloads(r.all()), []string{"b1", "a9", "c1"}; !slices.Equal(got, want) {
		t.Errorf("after delete: %v, want %v", got, want)
	}
	must(t, q.Delete(t.Context(), rowsOf(r.all())))
	if st, err = q.Stats(t.Context()); err != nil || st.Pending != 0 || st.OldestAge != 0 {
		t.Errorf("stats of an empty outbox: %+v, %v", st, err)
	}
	emit(t, db, message("a", 3))
	if got, want := payloads(r.all()), []string{"a3"}; !slices.Equal(got, want) {
		t.Errorf("after emptying: %v, want %v", got, want)
	}
}

func (s Suite) testDead(t *testing.T) {
	const limit = 3
	setup := func(t *testing.T, block bool) (Queue, *reader, outbox.Record) {
		db := s.one(t)
		emit(t, db, message("a", 1), message("a", 2), message("b", 1))
		q := db.Queue()
		r := lease(t, q, "reader")
		first := r.all()[0]
		for i := 1; i <= limit; i++ {
			gone, err := q.Reject(t.Context(), first.Row, "no such destination", limit, block)
			must(t, err)
			if gone != (i == limit) {
				t.Fatalf("attempt %d of %d: gone is %v", i, limit, gone)
			}
			if !gone {
				if got := r.all()[0]; got.Row != first.Row || got.Attempts != i {
					t.Fatalf("after attempt %d: row %d has %d attempts", i, got.Row, got.Attempts)
				}
			}
		}
		gone, err := q.Reject(t.Context(), first.Row, "again", limit, block)
		must(t, err)
		if !gone {
			t.Fatal("a row that is gone already must be reported as gone")
		}
		r.renew()
		return q, r, first
	}
	expect := func(t *testing.T, r *reader, want ...string) {
		t.Helper()
		r.renew()
		if got := payloads(r.all()); !slices.Equal(got, want) {
			t.Fatalf("pending %v, want %v", got, want)
		}
	}
	stats := func(t *testing.T, q Queue, pending, dead, blocked int64) {
		t.Helper()
		st, err := q.Stats(t.Context())
		must(t, err)
		if st.Pending != pending || st.Dead != dead || st.BlockedKeys != blocked {
			t.Fatalf("stats %+v, want %d pending, %d dead, %d blocked", st, pending, dead, blocked)
		}
	}

	t.Run("block", func(t *testing.T) {
		q, r, first := setup(t, true)
		expect(t, r, "b1")
		stats(t, q, 2, 1, 1)
		letters, err := q.List(t.Context(), true, 10)
		must(t, err)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		l := letters[0]
		if l.Row != first.Row || l.ID != first.ID || string(l.Payload) != "1" || l.LastError != "no such destination" ||
			!l.Blocks || l.DeadAt.IsZero() || l.Attempts != limit {
			t.Errorf("dead letter %+v", l)
		}
	})
	t.Run("requeue", func(t *testing.T) {
		q, r, first := setup(t, true)
		before := r.leases
		must(t, q.Requeue(t.Context(), first.Row))
		r.renew()
		for i, l := range r.leases {
			if s.Leased && l.Shard == first.Shard && i < len(before) && before[i].Shard == l.Shard && l.Epoch <= before[i].Epoch {
				t.Errorf("epoch of shard %d did not grow", l.Shard)
			}
		}
		expect(t, r, "a1", "a2", "b1")
		if got := r.all()[0]; got.ID != first.ID || got.Attempts != 0 {
			t.Errorf("requeued as %v with %d attempts, want the same id and none", got.ID, got.Attempts)
		}
		stats(t, q, 3, 0, 0)
	})
	t.Run("skip a letter", func(t *testing.T) {
		q, r, first := setup(t, true)
		must(t, q.Skip(t.Context(), first.Row))
		expect(t, r, "a2", "b1")
		stats(t, q, 2, 0, 0)
	})
	t.Run("policy skip", func(t *testing.T) {
		q, r, first := setup(t, false)
		expect(t, r, "a2", "b1")
		stats(t, q, 2, 1, 0)
		letters, err := q.List(t.Context(), true, 10)
		must(t, err)
		if len(letters) != 1 || letters[0].Row != first.Row || letters[0].Blocks {
			t.Errorf("dead letters %+v, want one that blocks nothing", letters)
		}
	})
	t.Run("several letters", func(t *testing.T) {
		q, r, first := setup(t, true)
		b := r.all()[0]
		for range limit {
			_, err := q.Reject(t.Context(), b.Row, "no such destination", limit, true)
			must(t, err)
		}
		stats(t, q, 1, 2, 2)
		if err := q.Requeue(t.Context(), first.Row, b.Row, 1<<40); !errors.Is(err, outbox.ErrNoLetter) {
			t.Errorf("with one that is not there: %v, want ErrNoLetter", err)
		}
		stats(t, q, 1, 2, 2)
		must(t, q.Requeue(t.Context(), first.Row, b.Row))
		expect(t, r, "a1", "a2", "b1")
		stats(t, q, 3, 0, 0)
	})
	t.Run("counting has a limit", func(t *testing.T) {
		db := s.one(t)
		const n = outbox.PendingExact + 100
		msgs := make([]outbox.Message, n)
		for i := range msgs {
			msgs[i] = message(fmt.Sprint(i), 1)
		}
		emit(t, db, msgs...)
		must(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			return errors.Join(
				tx.Exec(ctx, "UPDATE outbox SET last_error = 'no'"),
				tx.Exec(ctx, "INSERT INTO outbox_dead SELECT o.*, o.created_at FROM outbox AS o"), //nolint:unqueryvet // columns differ
				tx.Exec(ctx, "INSERT INTO outbox_blocked SELECT o.topic, o.key, o.id, o.created_at FROM outbox AS o"))
		}))
		st, err := db.Queue().Stats(t.Context())
		must(t, err)
		if most := int64(outbox.PendingExact + 1); st.Dead != most || st.BlockedKeys != most || st.Pending < most {
			t.Errorf("stats %+v, want counting to end at %d", st, most)
		}
	})
	t.Run("unknown letter", func(t *testing.T) {
		q, r, _ := setup(t, true)
		for name, f := range map[string]func() error{
			"requeue":         func() error { return q.Requeue(t.Context(), 1<<40) },
			"skip":            func() error { return q.Skip(t.Context(), 1<<40) },
			"requeue pending": func() error { return q.Requeue(t.Context(), r.all()[0].Row) },
		} {
			if err := f(); !errors.Is(err, outbox.ErrNoLetter) {
				t.Errorf("%s: got %v, want ErrNoLetter", name, err)
			}
		}
		stats(t, q, 2, 1, 1)
	})
}
