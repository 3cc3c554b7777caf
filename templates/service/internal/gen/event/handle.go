package event

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// Handler takes one delivery.
type Handler func(context.Context, *Delivery) error

// CheckRetry reports pauses between the tries of a handler that make no sense.
func CheckRetry(first, longest time.Duration, bad func(key, problem string)) {
	if first <= 0 {
		bad("BROKER_RETRY_MIN", "must be positive")
	}
	if longest < first {
		bad("BROKER_RETRY_MAX", fmt.Sprintf("%v is below BROKER_RETRY_MIN, %v", longest, first))
	}
}

// Pause is how long to wait after the given attempt failed: a time that doubles from first to longest, half of it random,
// so that handlers which failed together, for want of the database, do not come back together.
func Pause(attempt int, first, longest time.Duration) time.Duration {
	d := longest
	if times := min(max(attempt-1, 0), 20); first <= longest>>times {
		d = first << times
	}
	return d/2 + rand.N(d/2+1)
}

// Call gives d to handle, and turns a panic into an error.
func Call(ctx context.Context, log *slog.Logger, d *Delivery, handle Handler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "event handler panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("handler panicked: %v", p)
		}
	}()
	return handle(ctx, d)
}

// Lane runs handlers for a consumer, one delivery after the other. A delivery whose handler returns an error or
// panics is tried again after a growing pause, and later ones of the lane wait: that keeps their order.
type Lane struct {
	Group    string
	RetryMin time.Duration // first pause after a handler's error
	RetryMax time.Duration // longest pause
	Log      *slog.Logger
}

// Handle gives d to handle until that succeeds, and reports whether it did. stop ends the tries; work is the
// handler's context and outlives stop by as long as a handler may take to end what it has begun (see Linger).
func (l Lane) Handle(stop, work context.Context, d Delivery, handle Handler) bool {
	for ; stop.Err() == nil; d.Attempt++ {
		given := d
		err := Call(work, l.Log, &given, handle)
		if err == nil {
			return true
		}
		if stop.Err() != nil {
			return false // the consumer is going, the message is not at fault
		}
		pause := Pause(d.Attempt, l.RetryMin, l.RetryMax)
		// The handler's error is for whoever made the handler to log: they know what it belongs to.
		l.Log.DebugContext(work, "event is tried again", "topic", d.Topic, "type", d.Type, "id", d.ID, "group", l.Group,
			"attempt", d.Attempt, "retry_in", pause, "error", err)
		if !sleep(stop, pause) {
			return false
		}
	}
	return false
}

// Linger returns a context with the values of ctx that is cancelled grace after ctx is done, or by cancel.
func Linger(ctx context.Context, grace time.Duration) (work context.Context, cancel func()) {
	work, cancel = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return work, cancel
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
