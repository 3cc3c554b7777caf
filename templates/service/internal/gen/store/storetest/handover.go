package storetest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// nowhere accepts everything at once.
type nowhere struct{}

func (nowhere) Publish(_ context.Context, _ *outbox.Message, done func(error)) { done(nil) }
func (nowhere) Pipelines() bool                                                { return true }

// handoverWithin bounds how long the shards of a relay that stops are without one, on a machine that has other things to do.
// Without word of it they would be so until the next renewal, and without a release until the lease has run out.
const (
	handoverWithin = 15 * time.Second
	longLease      = 5 * time.Minute
)

// testHandover runs real relays: they come to share the shards, and what one gives up when it stops, another
// takes soon, long before a lease would have run out.
func (s Suite) testHandover(t *testing.T) {
	if !s.Leased {
		t.Skip("no leases in this database")
	}
	open := s.Fresh(t)
	db := s.migrated(t, open)
	var wg sync.WaitGroup
	defer wg.Wait()
	start := func() (*outbox.Relay, context.CancelFunc) {
		r, err := outbox.NewRelay(opened(t, open).Queue(), nowhere{}, outbox.Config{LeaseTTL: longLease},
			slog.New(slog.DiscardHandler), noop.NewMeterProvider().Meter(""))
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Errorf("relay: %v", err)
			}
		})
		return r, cancel
	}
	a, stopA := start()
	defer stopA()
	eventually(t, func() bool { return a.Status().Shards == outbox.Shards })
	began := time.Now()
	b, stopB := start()
	defer stopB()
	if s.Wakes {
		eventually(t, func() bool { return a.Status().Shards == outbox.Shards/2 && b.Status().Shards == outbox.Shards/2 })
		t.Logf("a fair share after %v", time.Since(began).Round(time.Millisecond))
	} else {
		eventually(t, func() bool { return a.Status().Shards+b.Status().Shards == outbox.Shards && b.Status().Shards > 0 })
	}
	began = time.Now()
	stopA()
	eventually(t, func() bool { return b.Status().Shards == outbox.Shards })
	took := time.Since(began)
	t.Logf("handed over in %v", took.Round(time.Millisecond))
	if took > handoverWithin {
		t.Errorf("handed over in %v, want %v", took, handoverWithin)
	}
	for i := range 100 {
		emit(t, db, message("k", i))
	}
	eventually(t, func() bool {
		st, err := db.Queue().Stats(t.Context())
		return err == nil && st.Pending == 0
	})
}

// moody refuses everything while it is told to.
type moody struct{ refuse atomic.Bool }

func (p *moody) Publish(_ context.Context, _ *outbox.Message, done func(error)) {
	if p.refuse.Load() {
		done(&outbox.Rejection{Err: errors.New("not in the mood")})
		return
	}
	done(nil)
}
func (p *moody) Pipelines() bool { return true }

// counted counts the leases that a relay has asked for.
type counted struct {
	outbox.Queue
	leases atomic.Int32
}

func (q *counted) Lease(ctx context.Context, owner string, ttl time.Duration) ([]outbox.Lease, error) {
	leases, err := q.Queue.Lease(ctx, owner, ttl)
	if err == nil {
		q.leases.Add(1)
	}
	return leases, err
}

// testRequeue has an operator put a dead letter back from a process of its own: the relay publishes it soon, and what comes
// after it, with leases that it would not renew for a long time.
func (s Suite) testRequeue(t *testing.T) {
	open := s.Fresh(t)
	db := s.migrated(t, open)
	broker := &moody{}
	broker.refuse.Store(true)
	leased := &counted{Queue: opened(t, open).Queue()}
	var q outbox.Queue = leased
	if w, ok := leased.Queue.(outbox.Waker); ok {
		q = struct {
			*counted
			outbox.Waker
		}{leased, w}
	}
	r, err := outbox.NewRelay(q, broker, outbox.Config{LeaseTTL: longLease, MaxAttempts: 1},
		slog.New(slog.DiscardHandler), noop.NewMeterProvider().Meter(""))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	emit(t, db, message("a", 1), message("a", 2))
	operator := opened(t, open).Queue()
	var dead []outbox.Letter
	eventually(t, func() bool {
		dead, err = operator.List(t.Context(), true, 10)
		return err == nil && len(dead) == 1
	})
	eventually(t, func() bool { return leased.leases.Load() > 1 }) // it has got the same ones again, and asks for them seldom now
	broker.refuse.Store(false)
	began := time.Now()
	must(t, operator.Requeue(t.Context(), dead[0].Row))
	eventually(t, func() bool {
		st, err := operator.Stats(t.Context())
		return err == nil && st.Pending == 0
	})
	took := time.Since(began)
	t.Logf("published in %v", took.Round(time.Millisecond))
	if took > handoverWithin {
		t.Errorf("a requeued letter and its successor were published after %v, want %v", took, handoverWithin)
	}
}
