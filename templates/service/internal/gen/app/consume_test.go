package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
			in.db, in.log, in.timeout = kit.DB, slog.New(slog.DiscardHandler), time.Minute
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

// TestTakeHasADeadline: a handler that waits for ever is ended, so that its event and those behind it go on; one that does not
// heed its context is named.
func TestTakeHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		in, err := newInlet(noop.Meter{})
		if err != nil {
			t.Fatal(err)
		}
		in.log, in.timeout = slog.New(slog.NewTextHandler(&log, nil)), 30*time.Second
		in.consumed = func(string, error) {}
		for _, deaf := range []time.Duration{0, 10 * time.Second} {
			c := consumer{topic: "archive", eventType: "t", handle: func(ctx context.Context, _ *store.DB, _ *broker.Delivery) error {
				<-ctx.Done()
				time.Sleep(deaf)
				return ctx.Err()
			}}
			began := time.Now()
			err := in.take(t.Context(), c, &broker.Delivery{Attempt: 1})
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "EVENT_TIMEOUT, 30s") {
				t.Errorf("take: %v", err)
			}
			if took := time.Since(began); took != in.timeout+deaf {
				t.Errorf("it took %v", took)
			}
			if named := strings.Contains(log.String(), "does not heed its deadline"); named != (deaf > 0) {
				t.Errorf("named %v after %v\n%s", named, deaf, log.String())
			}
		}
	})
}
