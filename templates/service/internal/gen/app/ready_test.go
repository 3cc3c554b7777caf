package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestReadiness plays a row of answers of the database: o answers, x does not. Expected is the readiness after each.
func TestReadiness(t *testing.T) {
	tests := []struct{ name, pings, ready string }{
		{"at once", "o", "o"},
		{"down at start", "xxxxo", "....o"},
		{"two failures are forgiven", "oxxoxxo", "ooooooo"},
		{"three are not", "oxxxxo", "ooo..o"},
		{"one answer makes up for all", "oxxxoxxo", "ooo.oooo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var told []bool
			r := newReadiness(nil, func(ready bool) { told = append(told, ready) }, slog.New(slog.DiscardHandler))
			last := false
			var want []bool
			for i, p := range tt.pings {
				var err error
				if p == 'x' {
					err = errors.New("no answer")
				}
				r.observe(err)
				ready := tt.ready[i] == 'o'
				if (r.Err() == nil) != ready {
					t.Fatalf("after %q: %v", tt.pings[:i+1], r.Err())
				}
				if ready != last {
					want, last = append(want, ready), ready
				}
			}
			if !slices.Equal(told, want) {
				t.Errorf("told %v, want %v", told, want)
			}
		})
	}
}

func TestDrainIsFinal(t *testing.T) {
	r := newReadiness(nil, func(bool) {}, slog.New(slog.DiscardHandler))
	r.observe(nil)
	r.drain()
	r.observe(nil)
	if !errors.Is(r.Err(), errDraining) {
		t.Errorf("after the drain: %v", r.Err())
	}
}

// TestReadinessHangingDatabase has a database that accepts the question and never answers.
func TestReadinessHangingDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		up.Store(true)
		ping := func(ctx context.Context) error {
			if up.Load() {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		r := newReadiness(ping, func(bool) {}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.watch(ctx)
		}()
		synctest.Wait()
		if r.Err() != nil {
			t.Fatalf("not ready at start: %v", r.Err())
		}
		up.Store(false)
		time.Sleep(2 * (pingEvery + pingTimeout)) // the clock of the test, not of the wall
		synctest.Wait()
		if r.Err() != nil {
			t.Errorf("not ready after two failures: %v", r.Err())
		}
		time.Sleep(pingEvery + pingTimeout)
		synctest.Wait()
		if r.Err() == nil {
			t.Error("ready after three failures")
		}
		cancel()
		<-done
	})
}
