package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// LastErrors keeps the newest errors that were logged, for the status page.
type LastErrors struct {
	mu    sync.Mutex
	ring  []LoggedError
	limit int
}

// LoggedError is one of them.
type LoggedError struct {
	Time    time.Time `json:"time"`
	Message string    `json:"message"`
	Detail  string    `json:"detail,omitempty"`
}

// Keep returns a logger that writes to log and notes its errors, and where they are noted.
func Keep(log *slog.Logger, limit int) (*slog.Logger, *LastErrors) {
	last := &LastErrors{limit: limit}
	return slog.New(&noteHandler{Handler: log.Handler(), last: last}), last
}

// List returns the errors, newest first.
func (l *LastErrors) List() []LoggedError {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.ring)
	slices.Reverse(out)
	return out
}

func (l *LastErrors) add(e LoggedError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) == l.limit {
		l.ring = slices.Delete(l.ring, 0, 1)
	}
	l.ring = append(l.ring, e)
}

type noteHandler struct {
	slog.Handler
	last *LastErrors
}

func (h *noteHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError || h.Handler.Enabled(ctx, level)
}

func (h *noteHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		e := LoggedError{Time: r.Time, Message: r.Message}
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "error" {
				e.Detail = a.Value.String()
			}
			return true
		})
		h.last.add(e)
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h *noteHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &noteHandler{Handler: h.Handler.WithAttrs(attrs), last: h.last}
}

func (h *noteHandler) WithGroup(name string) slog.Handler {
	return &noteHandler{Handler: h.Handler.WithGroup(name), last: h.last}
}
