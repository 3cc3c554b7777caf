package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/metric"
)

// Relay publishes the rows of a Queue through a Publisher. It runs beside the service, any number of them on one
// database.
type Relay struct {
	q         Queue
	p         Publisher
	pipelines bool
	cfg       Config
	log       *slog.Logger
	owner     string
	metrics   *metrics
	lanes     []*lane
	waker     Waker         // nil where the queue is none
	regain    chan struct{} // another relay gave shards up, or wants some

	mu       sync.Mutex
	shards   map[int16]Lease // owned
	stats    Stats
	failures map[string]*failures
}

// NewRelay returns a relay that does nothing until Run. A zero field of cfg takes its default. Its counters go to meter.
func NewRelay(q Queue, p Publisher, cfg Config, log *slog.Logger, meter metric.Meter) (*Relay, error) {
	cfg = cfg.withDefaults()
	if err := Problems(cfg); err != nil {
		return nil, fmt.Errorf("new relay: %w", err)
	}
	// Random, so that two processes with one configuration are two relays.
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("relay id: %w", err)
	}
	r := &Relay{q: q, p: p, pipelines: p.Pipelines(), cfg: cfg, log: log, owner: id.String(),
		regain: make(chan struct{}, 1), shards: make(map[int16]Lease), failures: make(map[string]*failures)}
	if r.metrics, err = newMetrics(meter); err != nil {
		return nil, fmt.Errorf("relay metrics: %w", err)
	}
	r.waker, _ = q.(Waker)
	for range cfg.Lanes {
		r.lanes = append(r.lanes, newLane(r))
	}
	return r, nil
}

// Wake tells the relay that this process committed rows, so that they need not wait for the next poll; where the
// queue can, the relays of other processes hear of it too. It never blocks, and many calls within a millisecond cost
// one fetch. Polling alone is what guarantees delivery: rows committed by a process that died before it could wake
// anybody are found by it.
func (r *Relay) Wake() {
	r.wakeLanes()
	if r.waker != nil {
		r.waker.Notify()
	}
}

func (r *Relay) wakeLanes() {
	for _, l := range r.lanes {
		l.inbox.put(func(in *inbox) { in.woken = true })
	}
}

// Run publishes until ctx is done. Then it fetches and sends no more, waits for the broker's answers, deletes what
// was accepted, all that for at most the configured drain time, and gives up its shards. What remains in the outbox
// is published by another relay or at the next start. Run may be called once.
func (r *Relay) Run(ctx context.Context) error {
	unregister, err := r.metrics.observe(r)
	if err != nil {
		return fmt.Errorf("relay metrics: %w", err)
	}
	defer unregister()

	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(r.cfg.Drain, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stop()

	var wg sync.WaitGroup
	for _, l := range r.lanes {
		wg.Go(func() { l.run(ctx, hard) })
	}
	wg.Go(func() { r.keepLeases(ctx) })
	wg.Go(func() { r.keepStats(ctx) })
	if r.waker != nil {
		wg.Go(func() { r.waker.Listen(ctx, r.woken) })
	}
	wg.Wait()
	r.release(context.WithoutCancel(ctx))
	return nil
}

// woken is told by another process.
func (r *Relay) woken(leases bool) {
	r.wakeLanes()
	if leases {
		select {
		case r.regain <- struct{}{}:
		default:
		}
	}
}

const (
	// leasePoll bounds how long shards that another relay gave up stay without one.
	leasePoll = 700 * time.Millisecond
	// leaseRest is the least time between two requests for leases.
	leaseRest = 100 * time.Millisecond
	// releaseLimit bounds giving the shards up at the end.
	releaseLimit = time.Second
)

// keepLeases renews the leases three times within their life, and hands them to the lanes. While shards change
// hands, and always where nobody would tell of it, it asks every leasePoll. A lane stops sending on its own when a
// lease runs out, so a database that is away costs nothing but time.
func (r *Relay) keepLeases(ctx context.Context) {
	failed, before := 0, 0
	for {
		pause := r.cfg.LeaseTTL / 3
		n, err := r.renew(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			failed++
			r.failure("lease", err)
			pause = min(pause, backoff(failed, &r.cfg))
		case n != before || n == 0 || r.waker == nil:
			pause = min(pause, leasePoll)
			fallthrough
		default:
			failed, before = 0, n
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(leaseRest):
		}
		select {
		case <-ctx.Done():
			return
		case <-r.regain:
		case <-time.After(jitter(max(pause-leaseRest, 0))):
		}
	}
}

// renew returns how many shards are owned now.
func (r *Relay) renew(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.LeaseTTL)
	defer cancel()
	leases, err := r.q.Lease(ctx, r.owner, r.cfg.LeaseTTL)
	if err != nil {
		return 0, err
	}
	owned := make(map[int16]Lease, len(leases))
	byLane := make([][]Lease, len(r.lanes))
	for _, s := range leases {
		owned[s.Shard] = s
		// A shard has one lane, so a key has one.
		i := int(uint16(s.Shard)) % len(r.lanes)
		byLane[i] = append(byLane[i], s)
	}
	r.mu.Lock()
	lost := 0
	for shard := range r.shards {
		if _, ok := owned[shard]; !ok {
			lost++
		}
	}
	r.shards = owned
	r.mu.Unlock()
	r.metrics.leasesLost(lost)
	for i, l := range r.lanes {
		l.inbox.put(func(in *inbox) { in.leases, in.leased = byLane[i], true })
	}
	return len(leases), nil
}

// release gives the shards up. If that fails they run out by themselves.
func (r *Relay) release(ctx context.Context) {
	r.mu.Lock()
	leases := make([]Lease, 0, len(r.shards))
	for _, s := range r.shards {
		leases = append(leases, s)
	}
	clear(r.shards)
	r.mu.Unlock()
	if len(leases) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	if err := r.q.Release(ctx, r.owner, leases); err != nil {
		r.failure("release", err)
	}
}

// keepStats reads the state of the whole outbox now and then, for metrics and Status.
func (r *Relay) keepStats(ctx context.Context) {
	const every = 5 * time.Second
	for {
		opCtx, cancel := context.WithTimeout(ctx, every)
		stats, err := r.q.Stats(opCtx)
		cancel()
		if err == nil {
			r.mu.Lock()
			r.stats = stats
			r.mu.Unlock()
		} else if ctx.Err() == nil {
			r.failure("stats", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(jitter(every)):
		}
	}
}
