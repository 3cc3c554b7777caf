package subject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Process is a running process of a service.
type Process struct {
	Log   *Log
	Conn  *grpc.ClientConn
	Admin string        // base URL
	Ended chan struct{} // closed when it is gone

	name string
	cmd  *exec.Cmd
}

// Start runs bin on free ports and waits until it serves. It need not be ready: see Ready.
func (t *Tree) Start(ctx context.Context, bin, dir string, env []string) (*Process, error) {
	p := &Process{name: t.Name, Log: &Log{}, Ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), bin) // whoever started it decides how it ends
	p.cmd.Dir = dir
	p.cmd.Env = append(append(os.Environ(),
		t.Env("GRPC_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=info", "DRAIN_DELAY=0s")...), env...)
	p.cmd.Stderr = p.Log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.Ended)
	}()
	var serving struct {
		GRPC  string `json:"grpc"`
		Admin string `json:"admin"`
	}
	err := Until(ctx, t.Name+" serves", func(context.Context) error {
		line := p.Log.Find("serving")
		if line == nil {
			return errors.New("it does not say so")
		}
		return json.Unmarshal(line, &serving)
	}, p.Ended)
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.Log.Tail(30))
	}
	p.Admin = "http://" + serving.Admin
	if p.Conn, err = grpc.NewClient(serving.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// Ready waits until the process welcomes calls.
func (p *Process) Ready(ctx context.Context) error {
	return Until(ctx, p.name+" is ready", func(ctx context.Context) error { return p.Probe(ctx, "/readyz", http.StatusOK) }, p.Ended)
}

// Probe asks the admin port for path and complains about any other answer than code.
func (p *Process) Probe(ctx context.Context, path string, code int) error {
	resp, err := p.get(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != code {
		return fmt.Errorf("%s answers %d: %s", path, resp.StatusCode, bytes.TrimSpace(body))
	}
	return nil
}

func (p *Process) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Admin+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	return http.DefaultClient.Do(req)
}

// Metrics returns the named values of /metrics, those without labels.
func (p *Process) Metrics(ctx context.Context, names ...string) (map[string]int, error) {
	resp, err := p.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read only
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	values := map[string]int{}
	for line := range strings.Lines(string(body)) {
		for _, name := range names {
			var f float64
			if rest, ok := strings.CutPrefix(line, name+" "); ok {
				if _, err := fmt.Sscan(rest, &f); err == nil {
					values[name] = int(f)
				}
			}
		}
	}
	return values, nil
}

// Page is what /statusz says.
type Page struct {
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

// Status reads the status page.
func (p *Process) Status(ctx context.Context) (Page, error) {
	var s Page
	resp, err := p.get(ctx, "/statusz")
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

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// State tells how the process ended.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Signal sends a signal.
func (p *Process) Signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// Stop asks the process to end, as an orchestrator does, and waits until it has, which must be a success.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("SIGTERM: %w", err)
	}
	return p.Exits(ctx)
}

// Exits waits for the end of a process that was asked for it.
func (p *Process) Exits(ctx context.Context) error {
	select {
	case <-p.Ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not end on SIGTERM: %w", p.name, ctx.Err())
	}
	if code := p.State().ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with %v\n%s", p.name, p.State(), p.Log.Tail(30))
	}
	return nil
}

// Kill is kill -9. A process that is gone already stays so.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // the only error is that it is gone
	<-p.Ended
}

// Close ends the process, however it is, and the connection to it.
func (p *Process) Close() {
	p.Kill()
	if p.Conn != nil {
		_ = p.Conn.Close() // a client's end is nobody's failure
	}
}

// Until asks check until it is content, or ctx or ended is done. What check says last is the error.
func Until(ctx context.Context, what string, check func(context.Context) error, ended <-chan struct{}) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("not asked")
	for {
		if err := check(ctx); err == nil {
			return nil
		} else if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), last)
		case <-ended:
			return fmt.Errorf("%s: the process ended: %w", what, last)
		case <-tick.C:
		}
	}
}

// logLines is how many lines a Log keeps at least.
const logLines = 5000

// Log keeps the last of what a process logs, except the lines of calls that went well.
type Log struct {
	mu    sync.Mutex
	lines [][]byte
	rest  []byte
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if !bytes.Contains(line, []byte(`"level":"INFO","msg":"call"`)) {
			l.lines = append(l.lines, bytes.Clone(line))
		}
		if len(l.lines) > 2*logLines {
			l.lines = append(l.lines[:0], l.lines[logLines:]...)
		}
		l.rest = rest
	}
}

// Find returns the first line with the message msg and with each of parts.
func (l *Log) Find(msg string, parts ...string) []byte {
	if lines := l.all(msg, parts); len(lines) > 0 {
		return lines[0]
	}
	return nil
}

// Count is how many lines there are with the message msg and each of parts.
func (l *Log) Count(msg string, parts ...string) int { return len(l.all(msg, parts)) }

func (l *Log) all(msg string, parts []string) (found [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for _, line := range l.lines {
		for _, part := range append(parts, `"msg":"`+msg+`"`) {
			if !bytes.Contains(line, []byte(part)) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

// Tail is the last n lines.
func (l *Log) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.Join(l.lines[max(0, len(l.lines)-n):], []byte("\n")))
}
