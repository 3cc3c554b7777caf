package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// BenchmarkInTx is a request that writes one row and emits one event, durable when it returns: with a commit of its
// own, and sharing commits.
//
//	go test -bench InTx -benchtime 2s ./templates/service/internal/gen/store
func BenchmarkInTx(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		for name, share := range map[string]time.Duration{"alone": 0, "shared": 5 * time.Millisecond} {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, name), func(b *testing.B) {
				db := open(b, func(c *Config) { c.Share = share })
				must(b, db.InTx(b.Context(), func(ctx context.Context, tx *Tx) error {
					_, err := tx.ExecContext(ctx, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total INTEGER)")
					return err
				}))
				payload := make([]byte, 300)
				var n atomic.Int64
				b.ResetTimer()
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for n.Add(1) <= int64(b.N) {
							err := db.InTx(b.Context(), func(ctx context.Context, tx *Tx) error {
								if _, err := tx.ExecContext(ctx, "INSERT INTO orders (customer, total) VALUES (?, ?)", "c", 17); err != nil {
									return err
								}
								return tx.Emit(outbox.Message{Topic: "orders", Key: "k", Type: "acme.v1.Placed", Payload: payload})
							})
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
			})
		}
	}
}
