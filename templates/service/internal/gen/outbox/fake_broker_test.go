package outbox

import (
	"context"
	"sync"
	"time"
)

// sink is the broker's side: everything it accepted, in order.
type sink struct {
	mu   sync.Mutex
	log  []Message
	bad  func(*Message) bool // refused
	down func(topic string) bool
}

func (s *sink) accept(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, *m)
}

func (s *sink) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// link is one relay's connection to the sink. Without pipelining every message takes its own time; with it there is
// one pipe, and a failure breaks the pipe for a while: all that is in it and all that comes fails.
type link struct {
	*sink
	d        *dice
	f        faults
	pipeline bool
	wg       *sync.WaitGroup
	pipe     chan func()

	mu       sync.Mutex
	broken   time.Time // until
	inflight map[Key]int
	maxKey   int // most messages of one key in flight at once
	total    int
}

func (l *link) Pipelines() bool { return l.pipeline }

func (l *link) Publish(ctx context.Context, m *Message, done func(error)) {
	key := Key{m.Topic, m.Key}
	l.mu.Lock()
	l.inflight[key]++
	l.total++
	l.maxKey = max(l.maxKey, l.inflight[key])
	l.mu.Unlock()
	answer := func(err error) {
		l.mu.Lock()
		l.inflight[key]--
		l.mu.Unlock()
		done(err)
	}
	if l.d.one(l.f.sync) { // seen by the relay before it sends anything else
		answer(errFault)
		return
	}
	if l.pipeline {
		l.pipe <- func() { l.deliver(m, answer) }
		return
	}
	l.wg.Go(func() {
		l.d.sleep(l.f.delay)
		l.deliver(m, answer)
	})
}

func (l *link) deliver(m *Message, answer func(error)) {
	l.mu.Lock()
	broken := time.Now().Before(l.broken)
	l.mu.Unlock()
	fail := func(err error) {
		if l.pipeline {
			l.mu.Lock()
			l.broken = time.Now().Add(20 * time.Millisecond)
			l.mu.Unlock()
		}
		answer(err)
	}
	switch {
	case broken || l.d.one(l.f.outage) || l.down != nil && l.down(m.Topic):
		fail(errFault)
	case l.bad != nil && l.bad(m):
		fail(&Rejection{errFault})
	case l.d.one(l.f.unknown): // accepted, and nobody knows
		l.accept(m)
		fail(errFault)
	default:
		l.accept(m)
		if !l.pipeline {
			l.d.sleep(l.f.delay) // the answer takes its time
		}
		answer(nil)
	}
}

// faults are probabilities and longest delays.
type faults struct {
	outage, unknown, sync, db float64
	delay, dbDelay            time.Duration
}

// handed is how many messages the relay has handed over.
func (l *link) handed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}
