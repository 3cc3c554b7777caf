package e2e

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/subject"
)

// replica is a running process of an example.
type replica struct {
	*example
	*subject.Process
}

// start runs the service on free ports and waits until it serves. It need not be ready: see ready.
func (e *example) start(t *testing.T, env []string) *replica {
	t.Helper()
	// Its end is not the test context's: that would kill it before the test's cleanups have stopped it.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := e.Start(ctx, e.bin(), t.TempDir(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		if t.Failed() {
			t.Logf("the last the process %d said:\n%s", p.PID(), p.Log.Tail(30))
		}
	})
	return &replica{example: e, Process: p}
}

// ready waits until the replica welcomes calls.
func (r *replica) ready(t *testing.T) *replica {
	t.Helper()
	eventually(t, patience, r.name+" is ready", func(ctx context.Context) error { return r.Probe(ctx, "/readyz", http.StatusOK) })
	return r
}

// drained waits until nothing is left in the outbox.
func (r *replica) drained(t *testing.T) time.Duration {
	t.Helper()
	return eventually(t, patience, "the outbox drains", func(ctx context.Context) error {
		s, err := r.Status(ctx)
		if err == nil && (s.Outbox.Pending > 0 || s.Outbox.Dead > 0) {
			err = fmt.Errorf("%d events pending, %d dead", s.Outbox.Pending, s.Outbox.Dead)
		}
		return err
	})
}

// terminate asks the process to end, as an orchestrator does.
func (r *replica) terminate(t *testing.T) {
	t.Helper()
	if err := r.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// stop is terminate, and exits.
func (r *replica) stop(t *testing.T) {
	t.Helper()
	r.terminate(t)
	r.exits(t)
}

// exits waits for the end of a process that was asked for it, which must be a success.
func (r *replica) exits(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Exits(ctx); err != nil {
		t.Error(err)
	}
}
