package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

// BenchmarkTx compares a transaction that emits with what people write by hand without any event: BEGIN, INSERT,
// COMMIT, each a round trip; and with the four that a hand-written outbox takes.
func BenchmarkTx(b *testing.B) {
	const insert = `INSERT INTO orders (customer, total) VALUES ($1, $2)`
	payload := make([]byte, 300)
	variants := []struct {
		name string
		run  func(ctx context.Context, db *DB) error
	}{
		{"by-hand", func(ctx context.Context, db *DB) error {
			tx, err := db.pool.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, insert, "c", 1); err != nil {
				return err
			}
			return tx.Commit(ctx)
		}},
		{"by-hand-outbox", func(ctx context.Context, db *DB) error {
			tx, err := db.pool.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, insert, "c", 1); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO outbox (shard, topic, key, event_id, type, payload, traceparent)
VALUES (1, 'orders', 'k', gen_random_uuid(), 'acme.v1.Placed', $1, '')`, payload); err != nil {
				return err
			}
			return tx.Commit(ctx)
		}},
		{"intx", func(ctx context.Context, db *DB) error {
			return db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
				_, err := tx.Exec(ctx, insert, "c", 1)
				return err
			})
		}},
		{"intx-outbox", func(ctx context.Context, db *DB) error {
			return db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
				if _, err := tx.Exec(ctx, insert, "c", 1); err != nil {
					return err
				}
				return tx.Emit(outbox.Message{Topic: "orders", Key: "k", Type: "acme.v1.Placed", Payload: payload})
			})
		}},
	}
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			cfg := testConfig(rig.Postgres(b))
			cfg.MaxConns = clients
			db := migrated(b, cfg)
			if _, err := db.pool.Exec(b.Context(), `CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text, total int)`); err != nil {
				b.Fatal(err)
			}
			// The variants take turns, so that whatever else the machine does meets all of them.
			turn := 20 * clients
			spent := make([]time.Duration, len(variants))
			rounds := max(1, b.N/turn/len(variants))
			for round := range rounds + 1 {
				for _, i := range rand.Perm(len(variants)) {
					d := together(b, clients, turn, func() error { return variants[i].run(b.Context(), db) })
					if round > 0 { // the first connects and prepares
						spent[i] += d
					}
				}
			}
			for i, v := range variants {
				b.ReportMetric(float64(rounds*turn)/spent[i].Seconds(), v.name+":tx/s")
				b.ReportMetric(spent[0].Seconds()/spent[i].Seconds(), v.name+":ratio")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// together runs f n times from as many goroutines as there are clients.
func together(b *testing.B, clients, n int, f func() error) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// BenchmarkDrain empties the outbox into nothing: fetch and delete, one after the other, by one relay.
func BenchmarkDrain(b *testing.B) {
	for _, page := range []int{100, 500, 1000} {
		b.Run(fmt.Sprintf("page=%d", page), func(b *testing.B) {
			db := migrated(b, testConfig(rig.Postgres(b)))
			p := leaseAll(b, db.Queue(), "r")
			p.Limit = page
			for n := b.N; n > 0; n -= 10_000 {
				emit(b, db, min(n, 10_000))
			}
			b.ResetTimer()
			if n := drain(b, db.Queue(), p); n != b.N {
				b.Fatalf("%d of %d rows", n, b.N)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
