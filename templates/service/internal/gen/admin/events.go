package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// eventStream writes one JSON object a line. With ?once it stops after the events that are there already.
type eventStream struct {
	events func(ctx context.Context, follow bool, yield func(event any) error) error
	log    *slog.Logger
}

func (s *eventStream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	if err := flush.SetReadDeadline(time.Time{}); err != nil { // the stream lives longer than a request may
		return
	}
	w.WriteHeader(http.StatusOK)
	if err := flush.Flush(); err != nil { // so that a client knows it is connected before the first event
		return
	}
	enc := json.NewEncoder(w)
	err := s.events(r.Context(), !r.URL.Query().Has("once"), func(event any) error {
		if err := enc.Encode(event); err != nil {
			return err
		}
		return flush.Flush()
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Debug("event stream ended", slog.Any("error", err))
	}
}
