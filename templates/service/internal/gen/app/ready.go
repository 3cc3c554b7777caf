package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Readiness asks the database this often, waits this long for its answer, and believes that it is gone after so
// many failures in a row: one slow answer must not take every replica out of the load balancer at once.
const (
	pingEvery    = 5 * time.Second
	pingAgain    = 500 * time.Millisecond // until the database was reached for the first time
	pingTimeout  = 2 * time.Second
	pingFailures = 3
)

var (
	errStarting = errors.New("starting")
	errDraining = errors.New("going away")
)

// readiness is whether calls are welcome: the service has started, does not go away, and reaches its database.
// The broker has no say: while it is down events wait in the outbox.
type readiness struct {
	ping   func(context.Context) error
	change func(ready bool) // told of every change
	log    *slog.Logger

	mu       sync.Mutex
	err      error // nil: ready
	failures int
	draining bool
}

func newReadiness(ping func(context.Context) error, change func(bool), log *slog.Logger) *readiness {
	return &readiness{ping: ping, change: change, log: log, err: errStarting}
}

// Err is nil when the service is ready, else why it is not.
func (r *readiness) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// watch asks the database until ctx is done.
func (r *readiness) watch(ctx context.Context) {
	for {
		pinging, cancel := context.WithTimeout(ctx, pingTimeout)
		err := r.ping(pinging)
		cancel()
		if ctx.Err() != nil {
			return
		}
		r.observe(err)
		pause := pingEvery
		if errors.Is(r.Err(), errStarting) {
			pause = pingAgain
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// observe takes the outcome of one ping.
func (r *readiness) observe(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return
	}
	if err == nil {
		r.failures = 0
		r.set(nil)
		return
	}
	r.failures++
	if r.failures == 1 {
		r.log.Warn("the database does not answer", slog.Any("error", err))
	}
	if r.failures >= pingFailures && !errors.Is(r.err, errStarting) {
		r.set(fmt.Errorf("the database does not answer"))
	}
}

// set changes the state and tells so. The caller holds mu, so changes are told in order.
func (r *readiness) set(err error) {
	changed := (err == nil) != (r.err == nil)
	r.err = err
	if !changed {
		return
	}
	r.change(err == nil)
	if err == nil {
		r.log.Info("ready")
	} else {
		r.log.Warn("not ready", slog.String("reason", err.Error()))
	}
}

// drain makes the service unready for good.
func (r *readiness) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
	r.err = errDraining
}
