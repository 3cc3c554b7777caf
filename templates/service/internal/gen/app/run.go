package app

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Limits of a shutdown, beside the settings DRAIN_DELAY, GRPC_GRACE, RELAY_DRAIN and the broker's grace. Together with
// those they stay below the time an orchestrator gives a process before it kills it.
const (
	consumerSlack = time.Second     // for event handlers, above the grace their broker gives them
	relaySlack    = 2 * time.Second // for the relay, above its own limit: to give its shards up
	closeLimit    = 5 * time.Second // for everything that is left
)

// A subscription that failed is tried again after a pause between these.
const (
	resubscribeMin = time.Second
	resubscribeMax = time.Minute
)

// Run serves until ctx is done or a part fails, then stops everything in order. It returns nil when the end was
// asked for and everything could be closed.
func (s *Service) Run(ctx context.Context) error {
	failed := make(chan error, 3) // a place for each part that can fail, so none waits for a reader
	relay := s.start(func(ctx context.Context) { report(failed, s.relay.Run(ctx)) })
	consumers := s.start(s.consumeAll)
	probe := s.start(s.ready.watch)
	servers := s.start(
		func(context.Context) { report(failed, s.grpc.Serve(s.grpcLis)) },
		func(context.Context) { report(failed, s.admin.Serve(s.adminLis)) },
	)
	s.log.Info("serving", slog.String("service", s.id.Name), slog.String("version", version()),
		slog.String("grpc", s.grpcLis.Addr().String()), slog.String("admin", s.adminLis.Addr().String()))

	var err error
	select {
	case <-ctx.Done():
		s.log.Info("stopping: a second signal ends at once")
		s.ready.drain()
		s.grpc.Drain()
		s.awaitLoadBalancers(failed)
	case err = <-failed:
		s.log.Error("a part failed; stopping", slog.Any("error", err))
		s.ready.drain()
		s.grpc.Drain()
	}
	return errors.Join(err, s.shutdown(servers, probe, consumers, relay))
}

// awaitLoadBalancers serves on for a while: until every load balancer has noticed that this replica is going away
// it still sends calls here.
func (s *Service) awaitLoadBalancers(failed <-chan error) {
	select {
	case <-time.After(s.cfg.Shutdown.DrainDelay):
	case err := <-failed:
		s.log.Error("a part failed while draining", slog.Any("error", err))
	}
}

// shutdown stops the parts in the order of what they need: calls and event handlers emit events, so both end, beside
// each other, before the relay; all of them use the database, so it closes last.
func (s *Service) shutdown(servers, probe, consumers, relay *group) error {
	grace, cancel := context.WithTimeout(context.Background(), s.cfg.GRPC.Grace)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() { probe.stop(s.log, "readiness", pingTimeout) })
	beside.Go(func() { consumers.stop(s.log, "event handlers", s.cfg.Broker.Grace+consumerSlack) })
	s.grpc.Shutdown(grace)
	beside.Wait()
	relay.stop(s.log, "relay", s.cfg.Relay.Drain+relaySlack)
	err := s.admin.Close() // late, so that probes and scrapes work until the end
	servers.stop(s.log, "servers", closeLimit)
	closing, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	err = errors.Join(err, s.closeAll(closing))
	s.log.Info("stopped")
	return err
}

// consumeAll subscribes every consumer until ctx is done.
func (s *Service) consumeAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, c := range s.consumers {
		wg.Go(func() { s.keepSubscribed(ctx, c) })
	}
	wg.Wait()
}

// keepSubscribed subscribes again when a subscription ends before its time. Trouble with the broker is no reason
// to stop answering calls.
func (s *Service) keepSubscribed(ctx context.Context, c consumer) {
	for pause := resubscribeMin; ; pause = min(2*pause, resubscribeMax) {
		err := s.inlet.subscribe(ctx, c)
		if ctx.Err() != nil {
			return
		}
		s.log.Error("a subscription has ended", slog.Any("error", err), slog.Duration("again_in", pause))
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause)): // replicas that lost the same broker come back one by one
		}
	}
}

func report(failed chan<- error, err error) {
	if err != nil {
		failed <- err
	}
}

// group is goroutines that end together.
type group struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (s *Service) start(run ...func(context.Context)) *group {
	ctx, cancel := context.WithCancel(context.Background())
	g := &group{cancel: cancel, done: make(chan struct{})}
	var wg sync.WaitGroup
	for _, f := range run {
		wg.Go(func() { f(ctx) })
	}
	go func() {
		defer close(g.done)
		wg.Wait()
	}()
	return g
}

// stop ends the group and waits for it, but not for ever: a handler that ignores its context must not keep the
// process alive.
func (g *group) stop(log *slog.Logger, name string, limit time.Duration) {
	g.cancel()
	select {
	case <-g.done:
	case <-time.After(limit):
		log.Error("did not stop in time", slog.String("part", name))
	}
}
