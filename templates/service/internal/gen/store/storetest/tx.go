package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

func (s Suite) testTx(t *testing.T) {
	db := s.one(t)
	r := lease(t, db.Queue(), "reader")
	boom := errors.New("boom")
	// after asserts what is left of a transaction, and clears the outbox.
	after := func(t *testing.T, counters int64, want ...string) {
		t.Helper()
		r.t = t
		recs := r.all()
		if got := payloads(recs); !slices.Equal(got, want) {
			t.Fatalf("pending %v, want %v", got, want)
		}
		must(t, r.q.Delete(t.Context(), rowsOf(recs)))
		var n int64
		must(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) (err error) {
			if n, err = tx.Int(ctx, "SELECT count(*) FROM counter"); err != nil {
				return err
			}
			return tx.Exec(ctx, "DELETE FROM counter")
		}))
		if n != counters {
			t.Fatalf("%d rows of the caller's own, want %d", n, counters)
		}
	}
	write := func(ctx context.Context, tx Tx) error {
		if err := tx.Exec(ctx, "INSERT INTO counter VALUES ('a', 1)"); err != nil {
			return err
		}
		return tx.Emit(message("k", 1))
	}

	t.Run("commit", func(t *testing.T) {
		must(t, db.InTx(t.Context(), write))
		after(t, 1, "k1")
	})
	t.Run("error", func(t *testing.T) {
		err := db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return errors.Join(write(ctx, tx), boom) })
		if !errors.Is(err, boom) {
			t.Fatalf("got %v, want the function's own error", err)
		}
		after(t, 0)
	})
	t.Run("panic", func(t *testing.T) {
		func() {
			defer func() {
				if p, ok := recover().(error); !ok || !errors.Is(p, boom) {
					t.Errorf("recovered %v, want the function's own panic", p)
				}
			}()
			_ = db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { _ = write(ctx, tx); panic(boom) })
		}()
		after(t, 0)
	})
	t.Run("failing statement", func(t *testing.T) {
		err := db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			if err := write(ctx, tx); err != nil {
				return err
			}
			return tx.Exec(ctx, "INSERT INTO counter VALUES ('a', 2)")
		})
		if err == nil {
			t.Fatal("a duplicate key was accepted")
		}
		after(t, 0)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := db.InTx(ctx, func(ctx context.Context, tx Tx) error {
			err := write(ctx, tx)
			cancel()
			return errors.Join(err, tx.Exec(ctx, "INSERT INTO counter VALUES ('b', 1)"))
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
		if err := db.InTx(ctx, write); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v from a cancelled start, want context.Canceled", err)
		}
		after(t, 0)
	})
	t.Run("owned", func(t *testing.T) {
		must(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			if tx.Commit() == nil || tx.Rollback() == nil {
				t.Error("Commit and Rollback belong to InTx and must be refused")
			}
			return write(ctx, tx)
		}))
		after(t, 1, "k1")
	})
	t.Run("refused message", func(t *testing.T) {
		must(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			big := message("k", 0)
			big.Payload = make([]byte, outbox.MaxPayload+1)
			if err := tx.Emit(big); !errors.Is(err, outbox.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			return write(ctx, tx)
		}))
		after(t, 1, "k1")
	})
	t.Run("emit after the end", func(t *testing.T) {
		var kept Tx
		must(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { kept = tx; return write(ctx, tx) }))
		if kept.Emit(message("k", 2)) == nil {
			t.Error("Emit after the transaction was accepted: the event would be lost")
		}
		after(t, 1, "k1")
	})
	t.Run("own transaction", func(t *testing.T) {
		must(t, db.Own(t.Context(), message("k", 1), message("k", 2)))
		after(t, 0, "k1", "k2")
	})
	t.Run("many", func(t *testing.T) {
		var msgs []outbox.Message
		var want []string
		for i := range 1203 {
			msgs, want = append(msgs, message("k", i)), append(want, fmt.Sprint("k", i))
		}
		emit(t, db, msgs...)
		after(t, 0, want...)
	})
	t.Run("order", func(t *testing.T) {
		var want []string
		for i := range 20 {
			emit(t, db, message("k", 2*i), message("k", 2*i+1))
			want = append(want, fmt.Sprint("k", 2*i), fmt.Sprint("k", 2*i+1))
		}
		after(t, 0, want...)
	})
	t.Run("hook", func(t *testing.T) {
		var calls atomic.Int32
		db.OnCommit(func() { calls.Add(1) })
		_ = db.InTx(t.Context(), func(context.Context, Tx) error { return nil })
		_ = db.InTx(t.Context(), func(ctx context.Context, tx Tx) error { return errors.Join(write(ctx, tx), boom) })
		if n := calls.Load(); n != 0 {
			t.Errorf("OnCommit called %d times without a committed event", n)
		}
		must(t, db.InTx(t.Context(), write))
		if n := calls.Load(); n != 1 {
			t.Errorf("OnCommit called %d times by one commit", n)
		}
		after(t, 1, "k1")
	})
	t.Run("fields", func(t *testing.T) { s.testFields(t, db, r) })
}

func (s Suite) testFields(t *testing.T, db Store, r *reader) {
	r.t = t
	id := uuid.Must(uuid.NewV7())
	long := strings.Repeat("k", outbox.MaxKey)
	for name, m := range map[string]outbox.Message{
		"full": {ID: id, Topic: "orders", Key: "ключ '\"\\%", Type: "acme.v1.Placed", Payload: []byte{0, 1, 255, '\''},
			Headers: map[string]string{"tenant": "ä\n\"", "empty": ""}, Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"bare":     {Topic: "orders", Type: "acme.v1.Placed"},
		"long key": {Topic: strings.Repeat("t", outbox.MaxTopic), Key: long, Type: "acme.v1.Placed"},
		"largest":  {Topic: "orders", Key: "k", Type: "acme.v1.Placed", Payload: bytes.Repeat([]byte{7}, outbox.MaxPayload)},
	} {
		emit(t, db, m)
		recs := r.all()
		if len(recs) != 1 {
			t.Fatalf("%s: %d rows, want 1", name, len(recs))
		}
		got := recs[0]
		same := got.Topic == m.Topic && got.Key == m.Key && got.Type == m.Type && bytes.Equal(got.Payload, m.Payload) &&
			maps.Equal(got.Headers, m.Headers) && got.Traceparent == m.Traceparent
		if !same {
			t.Errorf("%s: got %+v, want %+v", name, got.Message, m)
		}
		if m.ID != uuid.Nil && got.ID != m.ID || got.ID.Version() != 7 {
			t.Errorf("%s: id %v, want %v or a new UUIDv7", name, got.ID, m.ID)
		}
		if d := time.Since(got.CreatedAt); d < -time.Minute || d > time.Minute {
			t.Errorf("%s: created %v ago", name, d)
		}
		if got.Attempts != 0 {
			t.Errorf("%s: %d attempts before the first", name, got.Attempts)
		}
		must(t, r.q.Delete(t.Context(), rowsOf(recs)))
	}

	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 1})
	ctx := trace.ContextWithSpanContext(t.Context(), sc)
	must(t, db.InTx(ctx, func(_ context.Context, tx Tx) error { return tx.Emit(message("k", 1)) }))
	recs := r.all()
	if want := "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-01"; recs[0].Traceparent != want {
		t.Errorf("traceparent %q, want that of the caller's span, %q", recs[0].Traceparent, want)
	}
	must(t, r.q.Delete(t.Context(), rowsOf(recs)))
}
