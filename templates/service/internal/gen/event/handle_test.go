package event

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

func newLane(log *bytes.Buffer) Lane {
	return Lane{Group: "billing", RetryMin: 100 * time.Millisecond, RetryMax: 500 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

func delivery() Delivery {
	return Delivery{Message: outbox.Message{Topic: "orders", Key: "k", Headers: nil}, Attempt: 1}
}

func TestHandleTriesAgainAfterGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		began := time.Now()
		var at []time.Duration
		var attempts []int
		ok := newLane(&log).Handle(t.Context(), t.Context(), delivery(), func(_ context.Context, d *Delivery) error {
			at, attempts = append(at, time.Since(began)), append(attempts, d.Attempt)
			d.Attempt = 99 // a handler may do as it likes with its copy
			switch len(at) {
			case 5:
				return nil
			case 2:
				panic("at times")
			}
			return errors.New("at times")
		})
		if !ok {
			t.Fatal("not handled")
		}
		for i, millis := range []int{0, 100, 300, 700, 1200} { // pauses of 100, 200, 400 and then the longest, or down to half
			most := time.Duration(millis) * time.Millisecond
			if at[i] > most || at[i] < most/2 || attempts[i] != i+1 {
				t.Errorf("try %d at %v as attempt %d, want %v to %v", i+1, at[i], attempts[i], most/2, most)
			}
		}
		if s := log.String(); strings.Count(s, "event is tried again") != 4 || !strings.Contains(s, "handle_test.go") {
			t.Errorf("log has not 4 failures and the stack of the panic:\n%s", s)
		}
	})
}

func TestHandleEndsWithTheConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		stop, cancel := context.WithCancel(t.Context())
		tries := 0
		done := make(chan bool)
		go func() {
			done <- newLane(&log).Handle(stop, t.Context(), delivery(), func(context.Context, *Delivery) error {
				tries++
				return errors.New("never")
			})
		}()
		synctest.Wait() // in its first pause
		cancel()
		if <-done || tries != 1 {
			t.Errorf("handled, or %d tries, want one and no success", tries)
		}
		if newLane(&log).Handle(stop, t.Context(), delivery(), nil) {
			t.Error("a consumer that has ended took a message")
		}
	})
}

func TestLinger(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		work, cancel := Linger(ctx, time.Second)
		defer cancel()
		end()
		time.Sleep(time.Second - 1)
		synctest.Wait()
		if work.Err() != nil || work.Value(key{}) != "value" {
			t.Errorf("within the grace: %v, value %v", work.Err(), work.Value(key{}))
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if work.Err() == nil {
			t.Error("the work goes on after the grace")
		}
	})
}

// TestPauseIsSpread: replicas that lost the same database do not come back to it in step.
func TestPauseIsSpread(t *testing.T) {
	for attempt, millis := range map[int]int{1: 100, 3: 400, 7: 6400, 8: 10_000, 1000: 10_000} {
		want := time.Duration(millis) * time.Millisecond
		seen := map[time.Duration]bool{}
		for range 100 {
			d := Pause(attempt, 100*time.Millisecond, 10*time.Second)
			if d > want || d < want/2 {
				t.Fatalf("attempt %d: %v, want %v to %v", attempt, d, want/2, want)
			}
			seen[d] = true
		}
		if len(seen) < 50 {
			t.Errorf("attempt %d: only %d pauses of 100 differ", attempt, len(seen))
		}
	}
}
