package outbox_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// nowhere accepts everything at once.
type nowhere struct {
	pipelines bool
	left      atomic.Int64
	all       chan struct{} // closed when none is left
}

func (n *nowhere) Pipelines() bool { return n.pipelines }

func (n *nowhere) Publish(_ context.Context, _ *outbox.Message, done func(error)) {
	done(nil)
	if n.left.Add(-1) == 0 {
		close(n.all)
	}
}

// BenchmarkDrain empties an outbox of 300-byte events into a sink that takes no time: what the relay and the
// database cost. One operation is one event.
//
//	go test -bench Drain -benchtime 100000x ./templates/service/internal/gen/outbox
func BenchmarkDrain(b *testing.B) {
	for _, c := range []struct {
		keys      int
		pipelines bool
	}{{1000, false}, {1000, true}, {1, true}} {
		b.Run(fmt.Sprintf("keys=%d/pipelined=%v", c.keys, c.pipelines), func(b *testing.B) {
			db := openStore(b, b.TempDir())
			payload := make([]byte, 300)
			for i := 0; i < b.N; {
				err := db.InTx(b.Context(), func(_ context.Context, tx *store.Tx) error {
					for range 2000 {
						if i == b.N {
							break
						}
						if err := tx.Emit(outbox.Message{Topic: "t", Key: fmt.Sprint(i % c.keys), Type: "t", Payload: payload}); err != nil {
							return err
						}
						i++
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			sink := &nowhere{pipelines: c.pipelines, all: make(chan struct{})}
			sink.left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			stop := relay(b, db, db.Queue(), sink)
			<-sink.all
			stop() // deletes what is accepted
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ev/s")
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkLatency is the time from the start of a transaction to the broker's acceptance, one event at a time.
func BenchmarkLatency(b *testing.B) {
	db := openStore(b, b.TempDir())
	arrived := make(chan struct{}, 1)
	stop := relay(b, db, db.Queue(), signal{arrived})
	b.ResetTimer()
	for range b.N {
		err := db.InTx(b.Context(), func(_ context.Context, tx *store.Tx) error {
			return tx.Emit(outbox.Message{Topic: "t", Key: "k", Type: "t"})
		})
		if err != nil {
			b.Fatal(err)
		}
		select {
		case <-arrived:
		case <-time.After(10 * time.Second):
			b.Fatal("the event does not arrive")
		}
	}
	b.StopTimer()
	stop()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

type signal struct{ arrived chan struct{} }

func (signal) Pipelines() bool { return true }

func (s signal) Publish(_ context.Context, _ *outbox.Message, done func(error)) {
	done(nil)
	s.arrived <- struct{}{}
}
