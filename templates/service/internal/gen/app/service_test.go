package app

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/admin"
	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
	"github.com/svcgen/svcgen/templates/service/internal/sample"
)

func TestMain(m *testing.M) {
	if isChild() {
		runChild()
	}
	goleak.VerifyTestMain(m)
}

// running is a service on ports of its own.
type running struct {
	*Service
	conn  *grpc.ClientConn
	admin string
	env   []string // for commands that talk to it
	stop  func() error
}

func startService(t *testing.T, change func(*config.Config), deps DepsFunc) *running {
	t.Helper()
	cfg := testkit.Config(t)
	if change != nil {
		change(cfg)
	}
	s, err := Open(t.Context(), cfg, deps, Options{Log: testkit.Log(t)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(s.grpcLis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r := &running{Service: s, conn: conn, admin: "http://" + s.adminLis.Addr().String(), env: []string{
		"SAMPLE_GRPC_ADDR=" + s.grpcLis.Addr().String(), "SAMPLE_ADMIN_ADDR=" + s.adminLis.Addr().String(),
		"SAMPLE_DATABASE_URL=" + cfg.Database.URL,
	}}
	r.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, conn.Close())
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	watch := watchHealth(t, conn)
	for watch() != healthpb.HealthCheckResponse_SERVING {
	}
	return r
}

// watchHealth returns a function that waits for the next health status; zero when the stream has ended.
func watchHealth(t *testing.T, conn *grpc.ClientConn) func() healthpb.HealthCheckResponse_ServingStatus {
	t.Helper()
	stream, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return func() healthpb.HealthCheckResponse_ServingStatus {
		answer, err := stream.Recv()
		if err != nil {
			return healthpb.HealthCheckResponse_UNKNOWN
		}
		return answer.GetStatus()
	}
}

func sampleDeps(_ context.Context, rt *Runtime) (Deps, error) {
	return sample.Deps{DB: rt.DB, Events: rt.Events}, nil
}

func get(t *testing.T, url, accept string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAdminPages(t *testing.T) {
	r := startService(t, nil, sampleDeps)
	if _, err := samplev1.NewNoteServiceClient(r.conn).CreateNote(t.Context(), &samplev1.CreateNoteRequest{NoteId: "n-1"}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path string
		code int
		want string
	}{
		{"/livez", 200, "ok"},
		{"/readyz", 200, "ok"},
		{"/statusz", 200, "<h1>sample"},
		{"/metrics", 200, `rpc_server_call_duration_seconds_count{`},
		{"/metrics", 200, `rpc_method="sample.v1.NoteService/CreateNote"`},
		{"/debug/pprof/", 404, ""},
	}
	for _, tt := range tests {
		if code, body := get(t, r.admin+tt.path, ""); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d, want %d and %q in it:\n%s", tt.path, code, tt.code, tt.want, body)
		}
	}
	_, body := get(t, r.admin+"/statusz", "application/json")
	var status admin.Status
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if !status.Ready || !status.Broker.Connected || status.Service != "sample" || len(status.Config) == 0 || status.Outbox.Error != "" {
		t.Errorf("status %+v", status)
	}
}

// TestShutdown stops the service with everything in use: a call in flight, a health watch, and a dependency of
// the user. The call finishes, the watch ends, and what the call needs is closed after it.
func TestShutdown(t *testing.T) {
	var (
		mu    sync.Mutex
		order []string
	)
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	busy, release := make(chan struct{}), make(chan struct{})
	deps := func(ctx context.Context, rt *Runtime) (Deps, error) {
		rt.ServerOptions(grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if _, ok := req.(*samplev1.CreateNoteRequest); !ok {
				return next(ctx, req)
			}
			close(busy)
			<-release
			defer note("call ended")
			return next(ctx, req) // emits an event
		}))
		rt.OnStop(func(ctx context.Context) error {
			note("dependency closed")
			return rt.DB.Ping(ctx)
		})
		return sampleDeps(ctx, rt)
	}
	r := startService(t, nil, deps)
	watch := watchHealth(t, r.conn)
	if got := watch(); got != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health %v", got)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := samplev1.NewNoteServiceClient(r.conn).CreateNote(t.Context(), &samplev1.CreateNoteRequest{NoteId: "n-1"})
		answer <- err
	}()
	<-busy
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	for watch() != healthpb.HealthCheckResponse_UNKNOWN { // not serving, and then the end of the stream
	}
	if code, body := get(t, r.admin+"/readyz", ""); code != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d %s", code, body)
	}
	if code, _ := get(t, r.admin+"/livez", ""); code != http.StatusOK {
		t.Errorf("not alive while draining: %d", code)
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if want := []string{"call ended", "dependency closed"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if err := r.DB().Ping(context.Background()); err == nil {
		t.Error("the database is still open")
	}
}

// TestOpenCleansUp fails at each step of the start: what was opened is closed again, which goleak sees.
func TestOpenCleansUp(t *testing.T) {
	closed := false
	tests := []struct {
		name   string
		change func(*config.Config)
		deps   DepsFunc
		want   string
	}{
		{"database", func(c *config.Config) { c.Database.URL = filepath.Join(t.TempDir(), "none", "x.db") }, sampleDeps, "migrate"},
		{"dependencies", nil, func(_ context.Context, rt *Runtime) (Deps, error) {
			rt.OnStop(func(context.Context) error {
				closed = true
				return nil
			})
			return Deps{}, errors.New("no licence")
		}, "make dependencies: no licence"},
		{"TLS", func(c *config.Config) { c.GRPC.TLSCert, c.GRPC.TLSKey = "none.crt", "none.key" }, sampleDeps, "load TLS certificate"},
		{"gRPC port", func(c *config.Config) { c.GRPC.Addr = "127.0.0.1:99999" }, sampleDeps, "TEST_GRPC_ADDR (--grpc-addr) says where to"},
		{"admin port", func(c *config.Config) { c.Admin.Addr = "127.0.0.1:99999" }, sampleDeps, "TEST_ADMIN_ADDR (--admin-addr) says where to"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testkit.Config(t)
			if tt.change != nil {
				tt.change(cfg)
			}
			if _, err := Open(t.Context(), cfg, tt.deps, Options{Log: testkit.Log(t)}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	if !closed {
		t.Error("the dependency that was made before the failure was not closed")
	}
}

// TestBrokerLost takes the broker away from under the running service.
func TestBrokerLost(t *testing.T) {
	r := startService(t, nil, sampleDeps)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Broker().Close(ctx); err != nil {
		t.Fatal(err)
	}
	// Calls go on, and their events wait.
	_, err := samplev1.NewNoteServiceClient(r.conn).CreateNote(ctx, &samplev1.CreateNoteRequest{NoteId: "n-1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := testkit.Emitted(t, r.DB()); !slices.Equal(got, []string{"sample.v1.NoteCreated"}) {
		t.Errorf("waiting events %v", got)
	}
	if code, body := get(t, r.admin+"/readyz", ""); code != http.StatusOK {
		t.Errorf("not ready for want of a broker: %d %s", code, body)
	}
}

// TestOpenInterrupted ends the context in the middle of the start: what was opened still has time to close.
func TestOpenInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	closed := false
	_, err := Open(ctx, testkit.Config(t), func(_ context.Context, rt *Runtime) (Deps, error) {
		rt.OnStop(func(ctx context.Context) error {
			closed = true
			return ctx.Err()
		})
		interrupt()
		return Deps{}, ctx.Err()
	}, Options{Log: testkit.Log(t)})
	if !closed || err == nil || strings.Contains(err.Error(), "close dependency") {
		t.Errorf("closed %t, error %v", closed, err)
	}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		name string
		err  error
		code codes.Code
		told bool
	}{
		{"database away", driver.ErrBadConn, codes.Unavailable, true},
		{"commit cut off", fmt.Errorf("%w: %w", store.ErrCommitUnknown, driver.ErrBadConn), codes.Unknown, true}, // must not look safe to repeat
		{"anything else", errors.New("secret"), codes.Internal, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if code, text := classify(tt.err); code != tt.code || (text != "") != tt.told {
				t.Errorf("%v %q, want %v", code, text, tt.code)
			}
		})
	}
}

// TestUnlessDone leaves what does not end to itself when the time is over.
func TestUnlessDone(t *testing.T) {
	failure := errors.New("no")
	if err := unlessDone(t.Context(), func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	end := make(chan struct{})
	if err := unlessDone(ctx, func() error { <-end; return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	close(end)
}
