package outbox

import (
	"slices"
	"strings"
	"time"
)

// Status is a snapshot of a relay for /statusz. The breakers are at most about a second old, Stats about five.
type Status struct {
	Stats    Stats
	Shards   int // owned by this relay
	Held     int // rows in memory
	InFlight int // with the broker, without an answer
	Down     []Destination
	Failures []Failure // the last one of each kind
}

// Destination is a topic whose breaker is not closed.
type Destination struct {
	Topic string
	State string
	Until time.Time // next probe
	Error string
}

// Failure is the last error of one kind.
type Failure struct {
	What  string // what the relay was doing
	Error string
	At    time.Time
}

// view is what a lane shows of itself.
type view struct {
	held, flying int
	down         []Destination
	states       map[string]breakerState
}

// report renews the lane's view.
func (l *lane) report(now time.Time) {
	v := &view{held: len(l.held), flying: l.flying, states: make(map[string]breakerState, len(l.topics))}
	for topic, b := range l.topics {
		s := b.state(now)
		v.states[topic] = s
		if s != closed {
			d := Destination{Topic: topic, State: s.String(), Until: b.until}
			if b.last != nil {
				d.Error = b.last.Error()
			}
			v.down = append(v.down, d)
		}
	}
	l.view.Store(v)
}

// Status returns a snapshot.
func (r *Relay) Status() Status {
	r.mu.Lock()
	s := Status{Stats: r.stats, Shards: len(r.shards)}
	for _, f := range r.failures {
		s.Failures = append(s.Failures, f.last)
	}
	r.mu.Unlock()
	slices.SortFunc(s.Failures, func(a, b Failure) int { return b.At.Compare(a.At) })
	for _, l := range r.lanes {
		if v := l.view.Load(); v != nil {
			s.Held += v.held
			s.InFlight += v.flying
			s.Down = append(s.Down, v.down...)
		}
	}
	slices.SortFunc(s.Down, func(a, b Destination) int { return strings.Compare(a.Topic, b.Topic) })
	s.Down = slices.CompactFunc(s.Down, func(a, b Destination) bool { return a.Topic == b.Topic })
	return s
}

// failures are those of one kind.
type failures struct {
	last   Failure
	logged time.Time // the last one that was
}

// failure keeps err for Status and logs it, at most once a second for one kind.
func (r *Relay) failure(what string, err error) {
	now := time.Now()
	r.mu.Lock()
	f := r.failures[what]
	if f == nil {
		f = &failures{}
		r.failures[what] = f
	}
	f.last = Failure{What: what, Error: err.Error(), At: now}
	quiet := now.Sub(f.logged) < time.Second
	if !quiet {
		f.logged = now
	}
	r.mu.Unlock()
	if !quiet {
		r.log.Warn("outbox relay", "doing", what, "error", err)
	}
}
