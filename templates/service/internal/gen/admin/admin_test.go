package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, opts Options) string {
	t.Helper()
	opts.Log = slog.New(slog.DiscardHandler)
	if opts.Metrics == nil {
		opts.Metrics = http.NotFoundHandler()
	}
	s := New(Config{Addr: "127.0.0.1:0"}, opts)
	lis, err := s.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := errors.Join(s.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

// answer is a response whose body is closed when the test ends.
type answer struct {
	code int
	body io.Reader
}

func ask(t *testing.T, method, addr, path string, change func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return answer{code: resp.StatusCode, body: resp.Body}
}

// TestLimits reads what the server runs with.
func TestLimits(t *testing.T) {
	s := New(Config{}, Options{Log: slog.New(slog.DiscardHandler), Metrics: http.NotFoundHandler()})
	if s.http.ReadHeaderTimeout != 5*time.Second || s.http.IdleTimeout != time.Minute || s.http.MaxHeaderBytes != 16<<10 {
		t.Errorf("limits %v, %v, %d", s.http.ReadHeaderTimeout, s.http.IdleTimeout, s.http.MaxHeaderBytes)
	}
}

func TestProbes(t *testing.T) {
	notReady := errors.New("starting")
	addr := serve(t, Options{Ready: func() error { return notReady }})
	tests := []struct {
		method, path, host string
		code               int
	}{
		{"GET", "/livez", "", 200}, // alive though not ready
		{"GET", "/readyz", "", 503},
		{"POST", "/livez", "", 405},
		{"GET", "/events", "", 404}, // the broker is elsewhere
		{"GET", "/debug/pprof/", "", 404},
		{"GET", "/livez", "localhost", 200},
		{"GET", "/livez", "127.0.0.1:1", 200},
		{"GET", "/livez", "evil.example", 403}, // a browser page that points its name here
		{"GET", "/livez", "localhost.evil.example:80", 403},
	}
	for _, tt := range tests {
		resp := ask(t, tt.method, addr, tt.path, func(r *http.Request) {
			if tt.host != "" {
				r.Host = tt.host
			}
		})
		if resp.code != tt.code {
			t.Errorf("%s %s for %q: %d, want %d", tt.method, tt.path, tt.host, resp.code, tt.code)
		}
	}
	notReady = nil
	if resp := ask(t, "GET", addr, "/readyz", nil); resp.code != 200 {
		t.Errorf("/readyz when ready: %d", resp.code)
	}
}

func TestStatusPage(t *testing.T) {
	status := Status{
		Service: "notes", Started: time.Unix(0, 0), Now: time.Unix(90, 0), NotReady: "starting",
		Outbox: Outbox{Pending: 7, OldestAge: 3 * time.Second, Dead: 2, Down: []Destination{{Topic: "t", Error: "refused"}}},
		Broker: Broker{Error: "<script>alert(1)</script>"},
		Config: []Setting{{Name: "NOTES_X", Value: "y"}},
		Errors: []Failure{{Time: time.Unix(1, 0), Message: "went wrong", Detail: "badly"}},
	}
	addr := serve(t, Options{Status: func(ctx context.Context) Status {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the queries of the status page have no deadline")
		}
		return status
	}})
	page := ask(t, "GET", addr, "/statusz", nil)
	body, err := io.ReadAll(page.body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"notes", "up 1m30s", "not ready", "<b>7</b>", "3s", "went wrong: badly", "NOTES_X", "topic t: refused", `http-equiv="refresh"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if strings.Contains(string(body), "<script>") {
		t.Error("an error's text is markup on the page")
	}
	resp := ask(t, "GET", addr, "/statusz", func(r *http.Request) { r.Header.Set("Accept", "application/json") })
	var got Status
	if err := json.NewDecoder(resp.body).Decode(&got); err != nil || got.Outbox.Pending != 7 || got.Errors[0].Detail != "badly" {
		t.Errorf("as JSON: %+v, %v", got, err)
	}
}

func TestEventStream(t *testing.T) {
	more := make(chan string)
	addr := serve(t, Options{Events: func(ctx context.Context, follow bool, yield func(any) error) error {
		if err := yield(map[string]string{"id": "1"}); err != nil || !follow {
			return err
		}
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case id := <-more:
				if err := yield(map[string]string{"id": id}); err != nil {
					return err
				}
			}
		}
	}})
	once, err := io.ReadAll(ask(t, "GET", addr, "/events?once", nil).body)
	if err != nil || string(once) != `{"id":"1"}`+"\n" {
		t.Errorf("once: %q, %v", once, err)
	}
	lines := bufio.NewScanner(ask(t, "GET", addr, "/events", nil).body)
	for _, id := range []string{"1", "2", "3"} {
		if id != "1" {
			more <- id
		}
		if !lines.Scan() || lines.Text() != `{"id":"`+id+`"}` {
			t.Fatalf("line %q, want event %s at once", lines.Text(), id)
		}
	}
}

func TestConfigCheck(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:9091": true, ":9091": true, "[::1]:1": true, "9091": false, "": false} {
		good := true
		Config{Addr: addr}.Check(func(string, string) { good = false })
		if good != ok {
			t.Errorf("%q accepted: %v", addr, good)
		}
	}
}
