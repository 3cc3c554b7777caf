package admin

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Status is the state of the service as /statusz shows it.
type Status struct {
	Service string    `json:"service"`
	Version string    `json:"version"`
	Go      string    `json:"go"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`

	Ready    bool   `json:"ready"`
	NotReady string `json:"not_ready,omitempty"`
	Calls    int64  `json:"calls_in_flight"`
	Streams  int64  `json:"streams_open"`

	Outbox Outbox    `json:"outbox"`
	Broker Broker    `json:"broker"`
	Config []Setting `json:"config"`
	Errors []Failure `json:"last_errors"`
}

// Uptime is how long the service runs.
func (s Status) Uptime() time.Duration { return s.Now.Sub(s.Started).Round(time.Second) }

// Outbox is the backlog of events.
type Outbox struct {
	Pending     int64         `json:"pending"`
	OldestAge   time.Duration `json:"oldest_age_ns"`
	Dead        int64         `json:"dead"`
	BlockedKeys int64         `json:"blocked_keys"`
	Shards      int           `json:"shards"` // published by this replica
	Held        int           `json:"held"`   // rows in its memory
	InFlight    int           `json:"in_flight"`
	Down        []Destination `json:"down,omitempty"`  // topics that take nothing just now
	Error       string        `json:"error,omitempty"` // it could not be read
}

// Destination is a topic that takes no events.
type Destination struct {
	Topic string `json:"topic"`
	Error string `json:"error"`
}

// Broker is the connection to the broker. It never makes the service unready.
type Broker struct {
	Connected bool   `json:"connected"`
	Error     string `json:"error,omitempty"`
}

// Setting is a configured value, without secrets.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Failure is an error that was logged.
type Failure struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
	Detail  string    `json:"detail,omitempty"`
}

// statusTimeout bounds the queries behind the page.
const statusTimeout = 2 * time.Second

type statusPage struct {
	status func(context.Context) Status
	log    *slog.Logger
}

func (p *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
	defer cancel()
	status := p.status(ctx)
	var (
		body bytes.Buffer
		kind string
		err  error
	)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		kind = "application/json"
		enc := json.NewEncoder(&body)
		enc.SetIndent("", "  ")
		err = enc.Encode(status)
	} else {
		kind = "text/html; charset=utf-8"
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		err = p.html(&body, status)
	}
	if err != nil {
		p.log.ErrorContext(ctx, "status page", slog.Any("error", err))
		reply(w, http.StatusInternalServerError, "cannot show the status")
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body.Bytes())
}

//go:embed statusz.html
var statusHTML string

func (p *statusPage) html(body *bytes.Buffer, status Status) error {
	page, err := template.New("statusz").Parse(statusHTML)
	if err != nil {
		return err
	}
	return page.Execute(body, status)
}
