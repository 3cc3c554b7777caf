package telemetry

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger writes to w, as text for people and as JSON for machines. Every line written with the context of a
// call carries its request id, as requestID finds it, and its trace id.
func NewLogger(w io.Writer, level slog.Level, text bool, requestID func(context.Context) string) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if text {
		h = slog.NewTextHandler(w, opts)
	}
	return slog.New(&idHandler{Handler: h, requestID: requestID})
}

// idHandler adds the ids of the call to each record.
type idHandler struct {
	slog.Handler
	requestID func(context.Context) string
}

func (h *idHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := h.requestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *idHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &idHandler{Handler: h.Handler.WithAttrs(attrs), requestID: h.requestID}
}

func (h *idHandler) WithGroup(name string) slog.Handler {
	return &idHandler{Handler: h.Handler.WithGroup(name), requestID: h.requestID}
}
