package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/codes"

	"github.com/svcgen/svcgen/templates/service/internal/gen/admin"
	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
	"github.com/svcgen/svcgen/templates/service/internal/gen/events"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/rpc"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
	"github.com/svcgen/svcgen/templates/service/internal/gen/validate"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

// Options are what a test, or a program that embeds the service, may put in the place of the default.
type Options struct {
	Log      *slog.Logger
	GRPC     net.Listener                      // nil: the configured address
	Admin    net.Listener                      // nil: the configured address
	Consumed func(eventType string, err error) // told after each event a handler was given
}

// Service is the whole service, opened and not yet running.
type Service struct {
	cfg       *config.Config
	id        Identity
	log       *slog.Logger
	errors    *telemetry.LastErrors
	started   time.Time
	grpcLis   net.Listener
	adminLis  net.Listener
	inlet     *inlet
	consumers []consumer

	telemetry *telemetry.Telemetry
	db        *store.DB
	broker    *broker.Broker
	relay     *outbox.Relay
	runtime   *Runtime
	grpc      *rpc.Server
	admin     *admin.Server
	ready     *readiness

	open []closer // what is open, in the order it was opened
}

type closer struct {
	name  string
	close func(context.Context) error
}

// Open opens everything the service needs and makes its parts. A database or broker that is down is no error
// unless migrations are to be applied: the service starts, and is ready once the database answers.
func Open(ctx context.Context, cfg *config.Config, deps DepsFunc, opts Options) (_ *Service, err error) {
	s := &Service{cfg: cfg, id: identity(), started: time.Now()}
	s.log, s.errors = telemetry.Keep(opts.Log, lastErrors)
	defer func() {
		if err != nil {
			// ctx may be the reason: a start that was interrupted must close what it opened all the same.
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
			defer cancel()
			err = errors.Join(err, s.closeAll(closing))
		}
	}()
	if err := s.openBackends(ctx); err != nil {
		return nil, err
	}
	if err := s.makeParts(ctx, deps); err != nil {
		return nil, err
	}
	if opts.Consumed != nil {
		s.inlet.consumed = opts.Consumed
	}
	if err := s.listen(ctx, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// lastErrors is how many errors the status page shows.
const lastErrors = 20

func (s *Service) openBackends(ctx context.Context) error {
	var err error
	if s.telemetry, err = telemetry.New(ctx, s.cfg.Telemetry, s.id.Name, version()); err != nil {
		return err
	}
	s.opened("telemetry", s.flush)
	if s.db, err = store.Open(ctx, s.cfg.Database, s.log); err != nil {
		return err
	}
	s.opened("database", func(ctx context.Context) error { return unlessDone(ctx, s.db.Close) })
	if s.cfg.Database.Migrate {
		if err := s.db.Migrate(ctx, migrations.FS); err != nil {
			return err
		}
	}
	if s.broker, err = broker.Open(ctx, s.cfg.Broker, "/svc/"+s.id.Name, s.log); err != nil {
		return err
	}
	s.opened("broker", s.broker.Close)
	s.relay, err = outbox.NewRelay(s.db.Queue(), s.broker, s.cfg.Relay, s.log, s.telemetry.Meter.Meter("outbox"))
	if err != nil {
		return err
	}
	s.db.OnCommit(s.relay.Wake)
	return nil
}

// flush sends the last spans. A collector that is gone is nobody's failure to stop.
func (s *Service) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushLimit)
	defer cancel()
	if err := s.telemetry.Shutdown(ctx); err != nil {
		s.log.Warn("telemetry is not complete", slog.Any("error", err))
	}
	return nil
}

const flushLimit = 2 * time.Second

func (s *Service) makeParts(ctx context.Context, deps DepsFunc) error {
	s.runtime = &Runtime{DB: s.db, Events: events.New(), Log: s.log, Meter: s.telemetry.Meter, Tracer: noop.NewTracerProvider()}
	if s.telemetry.Tracer != nil {
		s.runtime.Tracer = s.telemetry.Tracer
	}
	d, err := deps(ctx, s.runtime)
	for _, stop := range s.runtime.stop {
		s.opened("dependency", stop)
	}
	if err != nil {
		return fmt.Errorf("make dependencies: %w", err)
	}
	check, err := validate.New()
	if err != nil {
		return err
	}
	if s.inlet, err = newInlet(s.telemetry.Meter.Meter("consumer")); err != nil {
		return err
	}
	s.inlet.broker, s.inlet.db, s.inlet.group, s.inlet.log = s.broker, s.db, s.id.Name, s.log
	s.inlet.timeout = s.cfg.Consume.Timeout
	s.inlet.consumed = func(string, error) {}
	opts := rpc.Options{Log: s.log, Meter: s.telemetry.Meter, Validate: check, Classify: classify, Extra: s.runtime.server}
	if s.telemetry.Tracer != nil {
		opts.Tracer = s.telemetry.Tracer.Tracer("rpc")
		s.inlet.tracer = s.telemetry.Tracer.Tracer("consumer")
	}
	if s.grpc, err = rpc.New(s.cfg.GRPC, opts); err != nil {
		return err
	}
	s.opened("gRPC server", func(context.Context) error { s.grpc.Close(); return nil })
	register(s.grpc, d)
	s.grpc.SetServing(false)
	s.consumers = consumers(d)
	s.ready = newReadiness(s.db.Ping, s.grpc.SetServing, s.log)
	s.admin = admin.New(s.cfg.Admin, admin.Options{
		Log: s.log, Ready: s.ready.Err, Status: s.status, Metrics: s.telemetry.Metrics, Events: s.watchEvents(),
	})
	return nil
}

// listen opens the ports last, so that nobody connects to a service that fails to start.
func (s *Service) listen(ctx context.Context, opts Options) error {
	var err error
	if s.grpcLis = opts.GRPC; s.grpcLis == nil {
		if s.grpcLis, err = s.grpc.Listen(ctx); err != nil {
			return fmt.Errorf("%w; %s says where to", err, s.cfg.Name("GRPC_ADDR"))
		}
	}
	if s.adminLis = opts.Admin; s.adminLis == nil {
		if s.adminLis, err = s.admin.Listen(ctx); err != nil {
			err = fmt.Errorf("%w; %s says where to", err, s.cfg.Name("ADMIN_ADDR"))
			return errors.Join(err, s.grpcLis.Close())
		}
	}
	return nil
}

func (s *Service) opened(name string, f func(context.Context) error) {
	s.open = append(s.open, closer{name: name, close: f})
}

// unlessDone runs f, and leaves it to itself when ctx is done: a handler that ignores its context keeps its connection, and
// must not keep the process alive.
func unlessDone(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeAll closes what is open, the last first, and goes on after an error.
func (s *Service) closeAll(ctx context.Context) error {
	var errs []error
	for _, o := range slices.Backward(s.open) {
		if err := o.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", o.name, err))
		}
	}
	s.open = nil
	return errors.Join(errs...)
}

// classify gives errors of the database the code that tells clients whether to come back.
func classify(err error) (codes.Code, string) {
	switch {
	case errors.Is(err, store.ErrCommitUnknown):
		// Not Unavailable: many clients repeat such a call by themselves, and this one may be done already.
		return codes.Unknown, "it is not known whether this was done"
	case store.Unavailable(err):
		return codes.Unavailable, "temporarily unavailable"
	default:
		return codes.Internal, ""
	}
}

// DB is the service's database.
func (s *Service) DB() *store.DB { return s.db }

// Broker is the service's broker.
func (s *Service) Broker() *broker.Broker { return s.broker }
