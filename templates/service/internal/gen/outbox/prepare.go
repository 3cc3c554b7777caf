package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
)

// Limits of a message, checked when it is emitted so that no row is written which every broker would refuse.
const (
	MaxPayload = 256 << 10
	MaxTopic   = 249 // Kafka's limit
	MaxKey     = 512
	MaxHeaders = 8 << 10 // names and values together
)

var (
	// ErrTooLarge is returned by Emit for a message above the limits.
	ErrTooLarge = errors.New("message too large")
	// ErrInvalid is returned by Emit for a message no broker could take.
	ErrInvalid = errors.New("invalid message")
	// ErrNoLetter is returned by Requeue and Skip when the row is not among the dead letters.
	ErrNoLetter = errors.New("no such dead letter")
)

// Prepare checks m and fills in what the emitter left open: a UUIDv7 as ID, and as Traceparent the span in ctx.
// Every store calls it in Emit, so the rules do not depend on the database.
func Prepare(ctx context.Context, m Message) (Message, error) {
	if err := check(m); err != nil {
		return Message{}, err
	}
	if m.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return Message{}, fmt.Errorf("message id: %w", err)
		}
		m.ID = id
	}
	if m.Traceparent == "" {
		m.Traceparent = traceparent(trace.SpanContextFromContext(ctx))
	}
	return m, nil
}

func check(m Message) error {
	switch {
	case m.Topic == "" || m.Type == "":
		return fmt.Errorf("%w: topic and type are required", ErrInvalid)
	case len(m.Topic) > MaxTopic:
		return fmt.Errorf("%w: topic of %d bytes, at most %d", ErrTooLarge, len(m.Topic), MaxTopic)
	case len(m.Key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes, at most %d", ErrTooLarge, len(m.Key), MaxKey)
	case len(m.Payload) > MaxPayload:
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, m.Type, len(m.Payload), MaxPayload)
	}
	for _, s := range []string{m.Topic, m.Key, m.Type} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fmt.Errorf("%w: %q is not text", ErrInvalid, s)
		}
	}
	size := 0
	for name, value := range m.Headers {
		if reserved(name) {
			return fmt.Errorf("%w: header name %q is empty or reserved", ErrInvalid, name)
		}
		size += len(name) + len(value)
		if !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0) {
			return fmt.Errorf("%w: header %q is not text", ErrInvalid, name)
		}
	}
	if size > MaxHeaders {
		return fmt.Errorf("%w: headers of %d bytes, at most %d", ErrTooLarge, size, MaxHeaders)
	}
	return nil
}

// reserved reports whether a header name is taken by CloudEvents or trace context, under any broker's prefix.
func reserved(name string) bool {
	switch name = strings.ToLower(name); name {
	case "", "content-type", "traceparent", "tracestate":
		return true
	}
	return strings.HasPrefix(name, "ce_") || strings.HasPrefix(name, "ce-") ||
		strings.HasPrefix(name, "cloudevents_") || strings.HasPrefix(name, "cloudevents:")
}

// traceparent formats sc as W3C trace context, version 00.
func traceparent(sc trace.SpanContext) string {
	if !sc.IsValid() {
		return ""
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}
