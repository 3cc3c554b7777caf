package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

// BenchmarkTx compares a transaction that emits with what people write by hand, without an event and with one.
func BenchmarkTx(b *testing.B) {
	const insert = `INSERT INTO orders (customer, total) VALUES (?, ?)`
	payload := make([]byte, 300)
	byHand := func(ctx context.Context, db *DB, more func(*sql.Tx) error) error {
		tx, err := db.pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, insert, "c", 1); err != nil {
			return err
		}
		if err := more(tx); err != nil {
			return err
		}
		return tx.Commit()
	}
	variants := []struct {
		name string
		run  func(ctx context.Context, db *DB) error
	}{
		{"by-hand", func(ctx context.Context, db *DB) error {
			return byHand(ctx, db, func(*sql.Tx) error { return nil })
		}},
		{"by-hand-outbox", func(ctx context.Context, db *DB) error {
			return byHand(ctx, db, func(tx *sql.Tx) error {
				id := uuid.New()
				_, err := tx.ExecContext(ctx, "INSERT INTO outbox (shard, topic, `key`, event_id, type, payload, traceparent, created_at) "+
					"VALUES (1, 'orders', 'k', ?, 'acme.v1.Placed', ?, '', UTC_TIMESTAMP(6))", id[:], payload)
				return err
			})
		}},
		{"intx", func(ctx context.Context, db *DB) error {
			return db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
				_, err := tx.ExecContext(ctx, insert, "c", 1)
				return err
			})
		}},
		{"intx-outbox", func(ctx context.Context, db *DB) error {
			return db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
				if _, err := tx.ExecContext(ctx, insert, "c", 1); err != nil {
					return err
				}
				return tx.Emit(outbox.Message{Topic: "orders", Key: "k", Type: "acme.v1.Placed", Payload: payload})
			})
		}},
	}
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			cfg := testConfig(rig.MySQL(b))
			cfg.MaxConns = clients
			db := migrated(b, cfg)
			if _, err := db.pool.ExecContext(b.Context(), `CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer TEXT, total INT)`); err != nil {
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

// BenchmarkDrain empties the outbox into nothing: fetch and delete, one after the other, by one relay. With a
// snapshot held open, deleted rows stay in the way.
func BenchmarkDrain(b *testing.B) {
	for name, hold := range map[string]bool{"quiet": false, "snapshot held": true} {
		b.Run(name, func(b *testing.B) {
			db := migrated(b, testConfig(rig.MySQL(b)))
			if hold {
				report, err := db.pool.BeginTx(b.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = report.Rollback() }()
				var n int
				if err := report.QueryRowContext(b.Context(), `SELECT count(*) FROM outbox`).Scan(&n); err != nil {
					b.Fatal(err)
				}
			}
			for n := b.N; n > 0; n -= 10_000 {
				err := db.InTx(b.Context(), func(_ context.Context, tx *Tx) error {
					for i := range min(n, 10_000) {
						if err := tx.Emit(outbox.Message{Topic: "t", Key: strconv.Itoa(i), Type: "T", Payload: make([]byte, 200)}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			q := db.Queue()
			leases, err := q.Lease(b.Context(), "r", time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for done := 0; done < b.N; {
				rows, err := q.Fetch(b.Context(), outbox.Page{Owner: "r", Leases: leases, Limit: 500})
				if err != nil || len(rows) == 0 {
					b.Fatalf("%d rows after %d of %d, %v", len(rows), done, b.N, err)
				}
				ids := make([]int64, len(rows))
				for i, r := range rows {
					ids[i] = r.Row
				}
				if err := q.Delete(b.Context(), ids); err != nil {
					b.Fatal(err)
				}
				done += len(rows)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
