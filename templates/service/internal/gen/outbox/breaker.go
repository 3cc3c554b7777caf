package outbox

import (
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// tripAfter is how many failures in a row, with no success between them, mean that a destination is down. Single
// failures (one partition without a leader) are left to the key's own pause.
const tripAfter = 5

// breaker is a lane's view of one destination (topic). While it is open nothing is sent there and none of its rows
// are fetched, so a dead destination takes neither time nor memory from the others. After a pause one message goes
// as a probe; its answer closes the breaker or opens it for longer. An outage never counts as an attempt of a row.
type breaker struct {
	topic    string
	label    []metric.RecordOption
	tripped  bool
	until    time.Time // when tripped: no probe before
	trips    int       // in a row, for the length of the pause
	failures int       // in a row, while closed
	gen      int       // answers to what was sent before the last trip say nothing about now
	probing  bool
	lifted   bool // half-open, and rows for a probe were asked for
	told     bool // the log says that it is down
	inflight int
	rows     int // held in memory
	parked   []*keyQueue
	last     error
}

type breakerState int64

const (
	closed breakerState = iota
	halfOpen
	open
)

func (s breakerState) String() string { return [...]string{"closed", "half-open", "open"}[s] }

func (b *breaker) state(now time.Time) breakerState {
	switch {
	case !b.tripped:
		return closed
	case now.Before(b.until):
		return open
	default:
		return halfOpen
	}
}

// admit reports whether one more message may be sent; window bounds those in flight.
func (b *breaker) admit(now time.Time, window int) bool {
	switch b.state(now) {
	case closed:
		return b.inflight < window
	case halfOpen:
		return !b.probing
	default:
		return false
	}
}

// sent notes a message handed over, and returns the generation its answer must carry.
func (b *breaker) sent() int {
	b.inflight++
	b.probing = b.tripped
	return b.gen
}

// reached notes an answer that shows the destination is there. It reports whether that closed the breaker.
func (b *breaker) reached(gen int) bool {
	b.inflight--
	if gen != b.gen {
		return false
	}
	wasTripped := b.tripped
	b.tripped, b.probing, b.trips, b.failures, b.last = false, false, 0, 0, nil
	return wasTripped
}

// failed notes an answer that does not. It reports whether the breaker opened.
func (b *breaker) failed(gen int, err error, now time.Time, cfg *Config) bool {
	b.inflight--
	if gen != b.gen {
		return false
	}
	b.last = err
	b.failures++
	if !b.tripped && b.failures < tripAfter {
		return false
	}
	b.trip(now, cfg)
	return true
}

func (b *breaker) trip(now time.Time, cfg *Config) {
	b.tripped, b.probing, b.failures = true, false, 0
	b.gen++
	b.trips++
	b.until = now.Add(backoff(b.trips, cfg))
}

// backoff is the pause before the n-th retry: doubling, capped, and half of it random so that relays do not return
// all at once.
func backoff(n int, cfg *Config) time.Duration {
	d := cfg.RetryMax
	if n < 20 {
		d = min(d, cfg.RetryMin<<(n-1))
	}
	return d/2 + rand.N(d/2+1)
}
