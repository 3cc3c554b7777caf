package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
)

// TestTake runs handlers on a real database: what they emit stays or goes with their error, and belongs to the
// trace of the event they handle.
func TestTake(t *testing.T) {
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	failure := errors.New("not now")
	tests := []struct {
		name    string
		payload []byte
		err     error // of the handler; with fails and none it panics
		fails   bool
		emitted int
	}{
		{"taken", []byte{0x0a, 0x01, 'n'}, nil, false, 1},
		{"handler fails", []byte{0x0a, 0x01, 'n'}, failure, true, 0},
		{"handler panics", []byte{0x0a, 0x01, 'n'}, nil, true, 0},
		{"not a message", []byte{0x0a, 0x05}, nil, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kit := testkit.New(t)
			in, err := newInlet(noop.Meter{})
			if err != nil {
				t.Fatal(err)
			}
			var told []error
			in.db, in.log = kit.DB, slog.New(slog.DiscardHandler)
			in.consumed = func(_ string, err error) { told = append(told, err) }
			c := consume("archive", func(ctx context.Context, tx *store.Tx, ev *samplev1.NoteArchived) error {
				if got := trace.SpanContextFromContext(ctx).TraceID().String(); got != traceID {
					t.Errorf("the handler is in trace %s", got)
				}
				if err := kit.Events.NoteCreated(tx, &samplev1.NoteCreated{NoteId: ev.GetNoteId()}); err != nil {
					return err
				}
				if tt.fails && tt.err == nil {
					panic("as told")
				}
				return tt.err
			})
			d := &broker.Delivery{Attempt: 1, Message: outbox.Message{
				Topic: "archive", Type: c.eventType, Payload: tt.payload, Traceparent: "00-" + traceID + "-b7ad6b7169203331-00",
			}}
			err = in.take(t.Context(), c, d)
			if (err != nil) != tt.fails || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("take: %v", err)
			}
			if len(told) != 1 || !errors.Is(told[0], err) {
				t.Errorf("told %v, want %v once", told, err)
			}
			if got := testkit.Emitted(t, kit.DB); len(got) != tt.emitted {
				t.Errorf("emitted %v, want %d", got, tt.emitted)
			}
		})
	}
}
