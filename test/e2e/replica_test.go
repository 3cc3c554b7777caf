package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// replica is a running process of an example.
type replica struct {
	*example
	cmd   *exec.Cmd
	log   *logbook
	ended chan struct{} // closed when the process is gone
	conn  *grpc.ClientConn
	admin string // base URL
}

// start runs the service on free ports and waits until it serves. It need not be ready: see ready.
func (e *example) start(t *testing.T, env []string) *replica {
	t.Helper()
	r := &replica{example: e, log: &logbook{}, ended: make(chan struct{})}
	// Not the test's context: its end would kill the process before the test's cleanups have stopped it.
	r.cmd = exec.Command(e.bin())
	r.cmd.Dir = t.TempDir()
	r.cmd.Env = append(append(os.Environ(), env...),
		e.env("GRPC_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=info", "DRAIN_DELAY=0s")...)
	r.cmd.Stderr = r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // the exit code is in ProcessState
		close(r.ended)
	}()
	t.Cleanup(func() {
		r.kill(t)
		if t.Failed() {
			t.Logf("the last the process %d said:\n%s", r.cmd.Process.Pid, r.log.tail(30))
		}
	})
	var serving struct {
		GRPC  string `json:"grpc"`
		Admin string `json:"admin"`
	}
	eventually(t, patience, e.name+" serves", func(context.Context) error {
		select {
		case <-r.ended:
			t.Fatalf("%s ended: %v\n%s", e.name, r.cmd.ProcessState, r.log.tail(30))
		default:
		}
		line := r.log.find("serving")
		if line == nil {
			return fmt.Errorf("it does not say so")
		}
		return json.Unmarshal(line, &serving)
	})
	r.admin = "http://" + serving.Admin
	conn, err := grpc.NewClient(serving.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // a client's end is nobody's failure
	r.conn = conn
	return r
}

// ready waits until the replica welcomes calls.
func (r *replica) ready(t *testing.T) *replica {
	t.Helper()
	eventually(t, patience, r.name+" is ready", func(ctx context.Context) error { return r.probe(ctx, "/readyz", http.StatusOK) })
	return r
}

// probe asks the admin port for path and complains about any other answer than code.
func (r *replica) probe(ctx context.Context, path string, code int) error {
	resp, err := r.get(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != code {
		return fmt.Errorf("%s answers %d: %s", path, resp.StatusCode, bytes.TrimSpace(body))
	}
	return nil
}

func (r *replica) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.admin+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	return http.DefaultClient.Do(req)
}

// page is what /statusz says of the outbox.
type page struct {
	Outbox struct {
		Pending int    `json:"pending"`
		Dead    int    `json:"dead"`
		Shards  int    `json:"shards"`
		Error   string `json:"error"`
	} `json:"outbox"`
	Broker struct {
		Connected bool `json:"connected"`
	} `json:"broker"`
}

func (r *replica) status(ctx context.Context) (page, error) {
	var s page
	resp, err := r.get(ctx, "/statusz")
	if err != nil {
		return s, err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return s, err
	}
	if s.Outbox.Error != "" {
		return s, fmt.Errorf("outbox: %s", s.Outbox.Error)
	}
	return s, nil
}

// drained waits until nothing is left in the outbox.
func (r *replica) drained(t *testing.T) time.Duration {
	t.Helper()
	return eventually(t, patience, "the outbox drains", func(ctx context.Context) error {
		s, err := r.status(ctx)
		if err == nil && (s.Outbox.Pending > 0 || s.Outbox.Dead > 0) {
			err = fmt.Errorf("%d events pending, %d dead", s.Outbox.Pending, s.Outbox.Dead)
		}
		return err
	})
}

// terminate asks the process to end, as an orchestrator does.
func (r *replica) terminate(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
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
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Errorf("%s does not end on SIGTERM", r.name)
		return
	}
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("%s ended with %v\n%s", r.name, r.cmd.ProcessState, r.log.tail(30))
	}
}

// kill is kill -9. A process that is gone already stays so.
func (r *replica) kill(t *testing.T) {
	t.Helper()
	_ = r.cmd.Process.Kill() // the only error is that it is gone
	<-r.ended
}

// logbook keeps what a process logs.
type logbook struct {
	mu    sync.Mutex
	lines [][]byte
	rest  []byte
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.lines = append(l.lines, bytes.Clone(line))
		l.rest = rest
	}
}

// find returns the first line with the message msg and with each of parts.
func (l *logbook) find(msg string, parts ...string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for _, line := range l.lines {
		for _, part := range append(parts, `"msg":"`+msg+`"`) {
			if !bytes.Contains(line, []byte(part)) {
				continue next
			}
		}
		return line
	}
	return nil
}

// tail is the last n lines but those of single calls and events.
func (l *logbook) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for _, line := range l.lines {
		if !bytes.Contains(line, []byte(`"level":"INFO","msg":"call"`)) {
			lines = append(lines, string(line))
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
