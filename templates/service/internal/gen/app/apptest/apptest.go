// Package apptest runs the whole service inside a test: the wiring of main, the real database, relay and broker,
// and gRPC over a pipe in memory.
package apptest

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/svcgen/svcgen/templates/service/internal/gen/app"
	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
)

// patience is how long anything here may take before the test fails.
const patience = time.Minute

// How often an event is published again for a subscription that may not be there yet.
const (
	probeAgain   = 200 * time.Millisecond
	publishAgain = 2 * time.Second
)

// Service is a running service.
type Service struct {
	Conn  *grpc.ClientConn
	Admin string // base URL of the admin port

	app      *app.Service
	consumed chan consumed
}

type consumed struct {
	eventType string
	err       error
}

// Start runs the service with the dependencies main gives it, waits until it is ready, and stops it when the test
// ends. The test fails when it does not stop cleanly.
func Start(t testing.TB, deps app.DepsFunc) *Service {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	admin, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // t's own ends before the cleanup
	s := &Service{Admin: "http://" + admin.Addr().String(), consumed: make(chan consumed, 100)}
	s.app, err = app.Open(t.Context(), testkit.Config(t), deps, app.Options{
		Log: testkit.Log(t), GRPC: lis, Admin: admin,
		Consumed: func(eventType string, err error) {
			select {
			case s.consumed <- consumed{eventType, err}:
			case <-ctx.Done(): // nobody waits any more, and the service must be able to stop
			}
		},
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	s.Conn, err = grpc.NewClient("passthrough:///bufconn",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(s.Conn.Close(), <-done); err != nil {
			t.Errorf("stop the service: %v", err)
		}
	})
	s.Serves(t, "")
	return s
}

// Serves waits until the health service says that the named gRPC service is serving; the empty name is all of it.
func (s *Service) Serves(t testing.TB, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watch, err := healthpb.NewHealthClient(s.Conn).Watch(ctx, &healthpb.HealthCheckRequest{Service: name})
	if err != nil {
		t.Fatal(err)
	}
	for {
		answer, err := watch.Recv()
		if err != nil {
			t.Fatalf("health of %q: %v", name, err)
		}
		if answer.GetStatus() == healthpb.HealthCheckResponse_SERVING {
			return
		}
	}
}

// Publishes calls f and waits for an event of the type on the topic. Where the rules of the proto refuse the request
// of f, the test is skipped: which requests pass is for a test of yours to say.
func (s *Service) Publishes(t testing.TB, topic, eventType string, f func(context.Context, grpc.ClientConnInterface) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, subscribed := make(chan struct{}, 1), make(chan struct{}, 1)
	done := make(chan error, 1)
	sub := broker.Subscription{Topic: topic, Group: "apptest-" + uuid.NewString(), Type: eventType, Temporary: true}
	probe := outbox.Message{Topic: topic, Key: "apptest-" + uuid.NewString(), Type: eventType, CreatedAt: time.Now()}
	go func() {
		done <- s.app.Broker().Subscribe(ctx, sub, func(_ context.Context, d *broker.Delivery) error {
			what := got
			if d.Key == probe.Key {
				what = subscribed
			}
			select {
			case what <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	s.reach(ctx, probe, subscribed)
	callErr := f(ctx, s.Conn)
	if callErr == nil {
		select {
		case <-got:
		case <-ctx.Done():
			t.Errorf("no %s on topic %s", eventType, topic)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("subscribe: %v", err)
	}
	switch {
	case status.Code(callErr) == codes.InvalidArgument:
		t.Skipf("the request is not valid: %v", callErr)
	case callErr != nil:
		t.Errorf("call: %v", callErr)
	}
}

// reach publishes probe until the subscription that waits for it has seen it: where a subscription sees only what
// comes after it, an event that is published too early would be missed.
func (s *Service) reach(ctx context.Context, probe outbox.Message, seen <-chan struct{}) {
	again := time.NewTicker(probeAgain)
	defer again.Stop()
	for {
		m := probe // a message stays as it is until it is answered
		m.ID = uuid.New()
		s.app.Broker().Publish(ctx, &m, func(error) {}) // refused until somebody wants it
		select {
		case <-seen:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// Consumes publishes ev to the topic, through the outbox, and waits until the service's handler has taken it. An
// event without a field that its proto requires cannot be sent, and skips the test.
func (s *Service) Consumes(t testing.TB, topic string, ev proto.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := proto.CheckInitialized(ev); err != nil {
		t.Skipf("the event is not complete: %v", err)
	}
	eventType := string(ev.ProtoReflect().Descriptor().FullName())
	payload, err := proto.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		err := s.app.DB().InTx(ctx, func(_ context.Context, tx *store.Tx) error {
			return tx.Emit(outbox.Message{Topic: topic, Key: "apptest", Type: eventType, Payload: payload})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	publish()
	// Where a subscription sees only what comes after it, the first event may have been too early.
	again := time.NewTicker(publishAgain)
	defer again.Stop()
	for {
		select {
		case c := <-s.consumed:
			if c.err != nil {
				t.Fatalf("consume %s: %v", c.eventType, c.err)
			}
			if c.eventType == eventType {
				return
			}
		case <-again.C:
			publish()
		case <-ctx.Done():
			t.Fatalf("nothing has consumed %s from topic %s", eventType, topic)
		}
	}
}
