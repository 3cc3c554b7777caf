package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/svcgen/svcgen/test/rig"
)

// TestBrokerOutage kills the broker under load. Callers must not notice: calls succeed, the service stays ready, and
// what waited arrives in order once the broker is back.
func TestBrokerOutage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		example string
		call    func(context.Context, *replica, string, int) error
		broker  func(t *testing.T, e *example) (settings []string, p *sink, server *rig.Server)
	}{
		{"orders", placeOrder, func(t *testing.T, e *example) ([]string, *sink, *rig.Server) {
			cluster := rig.Private(t, func(ctx context.Context) (*rig.KafkaCluster, error) { return rig.StartKafka(ctx, 1) })
			return []string{"KAFKA_BROKERS=" + cluster.Brokers(), quickToRead}, tapKafka(t, e, cluster.Brokers(), e.topic("orders")), cluster.Nodes[0]
		}},
		{"payments", capturePayment, func(t *testing.T, e *example) ([]string, *sink, *rig.Server) {
			server := rig.Private(t, rig.StartRabbitMQ)
			return []string{"RABBITMQ_URL=" + server.URL()}, tapRabbitMQ(t, e, server.URL(), e.topic("payments")), server.Server
		}},
	} {
		t.Run(tt.example, func(t *testing.T) {
			t.Parallel()
			e := built(t, tt.example)
			settings, tap, server := tt.broker(t, e)
			env := e.Env(append(settings, "DATABASE_URL="+rig.Postgres(t))...)
			e.command(t, env, "migrate")
			r := e.start(t, env).ready(t)
			l := startLoad(t, tt.call, r)
			// Some seconds of load: RabbitMQ 3.10 writes down where a quorum queue lives a moment after declaring it, and
			// one that is killed before that never gives the queue a leader again.
			l.grows(t, 2000)
			stillReady := watch(t, func(ctx context.Context) error { return r.Probe(ctx, "/readyz", http.StatusOK) })

			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			before, over := l.successes(), time.After(*outage)
			eventually(t, patience, "events wait", func(ctx context.Context) error {
				s, err := r.Status(ctx)
				if err == nil && s.Outbox.Pending < 100 {
					err = fmt.Errorf("%d do", s.Outbox.Pending)
				}
				return err
			})
			t.Cleanup(func() {
				if log, err := os.ReadFile(filepath.Join(server.Dir(), "server.log")); err == nil && t.Failed() {
					t.Logf("the last the broker said:\n%s", log[max(0, len(log)-6000):])
				}
			})
			<-over
			during := l.successes() - before
			waiting, err := r.Status(t.Context())
			if err != nil {
				t.Error(err)
			}
			if err := server.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			l.grows(t, 100)
			l.stop()
			took := r.drained(t)
			t.Logf("%d calls succeeded while the broker was gone; %d events waited and were gone %v after the load", during, waiting.Outbox.Pending, took)
			if during == 0 {
				t.Error("no call succeeded while the broker was gone")
			}
			if failed := l.failed(); len(failed) > 0 {
				t.Errorf("%d calls failed, the last with %v", len(failed), lastOf(failed, 1))
			}
			if err := stillReady(); err != nil {
				t.Errorf("not ready all the time: %v", err)
			}
			l.verify(t, tap)
			r.stop(t)
		})
	}
}

// watch asks check again and again until the returned function is called, which returns the first complaint.
func watch(t *testing.T, check func(context.Context) error) func() error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	var first error
	done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil && first == nil {
			if err := check(ctx); err != nil && ctx.Err() == nil {
				first = err
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	stop := func() error {
		cancel()
		done.Wait()
		return first
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// TestDatabaseOutage kills the database under load. The service says so at once, to callers and to whoever balances
// them, and is back by itself; what it had promised before is kept.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	e := built(t, "orders")
	server, brokers := rig.Private(t, rig.StartPostgres), rig.Kafka(t)
	tap := tapKafka(t, e, brokers, e.topic("orders"))
	env := e.Env("DATABASE_URL="+server.URL(), "KAFKA_BROKERS="+brokers, quickToRead)
	e.command(t, env, "migrate")
	r := e.start(t, env).ready(t)
	l := startLoad(t, placeOrder, r)
	l.grows(t, 200)

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	took := eventually(t, patience, "the service is not ready", func(ctx context.Context) error {
		return r.Probe(ctx, "/readyz", http.StatusServiceUnavailable)
	})
	t.Logf("not ready %v after the database was killed", took)
	if err := r.Probe(t.Context(), "/livez", http.StatusOK); err != nil {
		t.Errorf("a restart would help nobody: %v", err)
	}
	failed := l.failed()
	if len(failed) < 10 {
		t.Errorf("%d calls failed", len(failed))
	}
	slowest, unknown := time.Duration(0), 0
	for _, f := range failed {
		slowest = max(slowest, f.took)
		switch code := status.Code(f.err); code {
		case codes.Unavailable:
		case codes.Unknown: // the server died between a COMMIT and its answer
			unknown++
		default:
			t.Errorf("a call failed with %v: %v", code, f.err)
		}
	}
	if unknown > writers {
		t.Errorf("%d calls have an unknown outcome, but only %d can have been in flight", unknown, writers)
	}
	t.Logf("%d calls failed, the slowest in %v", len(failed), slowest)
	if slowest > failFast {
		t.Errorf("a call took %v to fail, want at most %v", slowest, failFast)
	}

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	took = eventually(t, patience, "the service is ready again", func(ctx context.Context) error { return r.Probe(ctx, "/readyz", http.StatusOK) })
	t.Logf("ready %v after the database was back", took)
	l.grows(t, 200)
	l.stop()
	r.drained(t)
	l.verify(t, tap)
	r.stop(t)
}

// failFast is well below the deadline a call has, and above what a loaded machine adds to the three seconds that a service
// waits for a connection.
const failFast = 10 * time.Second
