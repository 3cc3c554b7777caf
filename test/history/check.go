package history

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The promises, as they apply to publishing.
const (
	NoLoss     = "I1"  // what was committed arrives
	NoGhost    = "I2"  // what arrives was committed; what was rolled back, cancelled or never asked for does not
	Order      = "I3"  // first copies of a key's events come in commit order, without a gap
	OneEvent   = "I4"  // a transaction's event is one event: every copy has its id and its content
	Truth      = "I5"  // a call that succeeded is committed, one that the service says failed is not
	Atomic     = "I6"  // the rows of a transaction share their fate
	Live       = "I7"  // after a fault everything arrives within its time, and the outbox is empty at the end
	Bounded    = "I8"  // a fault leaves no goroutines, connections or memory behind
	Accounting = "I9"  // committed = arrived + dead letters, and dead letters only where they are expected
	Health     = "I10" // liveness and readiness say what they promise
)

// limit of recovery where a run says none.
const defaultRecover = 30 * time.Second

// Verdict is the judgement of one history.
type Verdict struct {
	Name string
	Seed uint64

	Calls, OK, Failed, Unknown int
	Events, Duplicates         int
	Faults                     int
	// Recovery is, for each fault, how long after its end everything acknowledged before had arrived.
	Recovery []time.Duration
	Took     time.Duration

	Violations []Violation
	// Void says why the run proves nothing, even if nothing was violated.
	Void []string
}

// Violation is one broken promise.
type Violation struct{ Promise, Text string }

func (v Violation) String() string { return v.Promise + ": " + v.Text }

// Good reports whether the run shows what it was made for.
func (v *Verdict) Good() bool { return len(v.Violations) == 0 && len(v.Void) == 0 }

// Broke reports whether a promise was broken.
func (v *Verdict) Broke(promise string) bool {
	return slices.ContainsFunc(v.Violations, func(w Violation) bool { return w.Promise == promise })
}

// Err is nil when the run is good, else all that is wrong.
func (v *Verdict) Err() error {
	var errs []error
	for _, w := range v.Violations {
		errs = append(errs, errors.New(w.String()))
	}
	for _, w := range v.Void {
		errs = append(errs, errors.New("void: "+w))
	}
	return errors.Join(errs...)
}

// String is one line of figures.
func (v *Verdict) String() string {
	state := "good"
	if len(v.Violations) > 0 {
		state = fmt.Sprintf("%d VIOLATIONS", len(v.Violations))
	} else if len(v.Void) > 0 {
		state = "VOID"
	}
	s := fmt.Sprintf("%-24s %s: %d calls, %d ok, %d failed, %d unknown; %d events, %d repeated; %.1f s",
		v.Name, state, v.Calls, v.OK, v.Failed, v.Unknown, v.Events, v.Duplicates, v.Took.Seconds())
	if len(v.Recovery) > 0 {
		s += fmt.Sprintf("; recovered in %.2f s", slices.Max(v.Recovery).Seconds())
	}
	return s
}

// perPromise bounds how many violations of one promise are listed.
const perPromise = 5

type call struct {
	key       string
	doomed    bool
	cut       bool
	invoked   int64
	version   int64 // the caller's or the answer's
	ok        bool
	okAt      int64
	open      int // invocations without an answer
	unknown   bool
	committed int64 // version of its row; 0: none
	letter    bool

	arrived int64 // first copy; -1: none
	id, sum string
}

type window struct {
	name       string
	from, to   int64 // to < 0: never healed
	begun, bad int
	unknown    int
}

// checker gathers a history; all that is judged is judged at its end, for rows are known only then.
type checker struct {
	v      *Verdict
	expect Expect
	calls  map[string]*call
	order  map[string][]*arrival
	totals map[string]int64
	rows   map[string]map[int64]string // version to op

	windows   []*window
	before    int
	seen      map[string]bool
	death     bool
	maxQueued int
	statuses  []Record
	processes []Record
	final     bool // the database was read
	outbox    *Record
	ran       bool
	last      int64
	listed    map[string]int
}

type arrival struct {
	op      string
	version int64
}

// Check judges a history.
func Check(in io.Reader) (*Verdict, error) {
	c := &checker{
		v: &Verdict{}, calls: map[string]*call{}, order: map[string][]*arrival{}, totals: map[string]int64{},
		rows: map[string]map[int64]string{}, seen: map[string]bool{}, listed: map[string]int{},
	}
	if err := Read(in, c.add); err != nil {
		return nil, err
	}
	if !c.ran {
		return nil, errors.New("history: no run in it")
	}
	c.judge()
	return c.v, nil
}

func (c *checker) broken(promise, format string, args ...any) {
	c.listed[promise]++
	switch n := c.listed[promise]; {
	case n <= perPromise:
		c.v.Violations = append(c.v.Violations, Violation{promise, fmt.Sprintf(format, args...)})
	case n == perPromise+1:
		c.v.Violations = append(c.v.Violations, Violation{promise, "… and more"})
	}
}

func (c *checker) add(r Record) {
	c.last = r.At
	switch r.Kind {
	case Run:
		c.ran = true
		c.v.Name, c.v.Seed = r.Name, r.Seed
		if r.Expect != nil {
			c.expect = *r.Expect
		}
	case Invoke, OK, Fail, Unknown:
		c.answer(r)
	case Tap:
		c.tap(r)
	case Begin:
		c.v.Faults++
		c.windows = append(c.windows, &window{name: r.Name, from: r.At, to: -1})
	case Seen:
		c.seen[r.Name] = true
	case Heal:
		for _, w := range c.windows {
			if w.name == r.Name && w.to < 0 {
				w.to = r.At
			}
		}
	case Process:
		c.processes = append(c.processes, r)
		c.death = c.death || r.Text == "killed"
	case Status:
		c.statuses = append(c.statuses, r)
	case Depth:
		c.maxQueued = max(c.maxQueued, r.Pending)
	case Entry:
		c.final = true
		c.entry(r)
	case Total:
		c.final = true
		c.totals[r.Key] = r.Version
	case Outbox:
		c.final = true
		c.outbox = &r
	case Letter:
		c.call(r.Op, "").letter = true
	default:
		c.broken(Truth, "a record of the kind %q", r.Kind)
	}
}

func (c *checker) call(op, key string) *call {
	o := c.calls[op]
	if o == nil {
		o = &call{key: key, invoked: -1, arrived: -1}
		c.calls[op] = o
	}
	return o
}

func (c *checker) answer(r Record) {
	o := c.call(r.Op, r.Key)
	open := c.open()
	switch r.Kind {
	case Invoke:
		c.v.Calls++
		o.key, o.invoked, o.doomed, o.cut = r.Key, r.At, r.Doomed, r.Cut
		if r.Version != 0 {
			o.version = r.Version
		}
		o.open++
		for _, w := range open {
			w.begun++
		}
		return
	case OK:
		c.v.OK++
		o.ok, o.okAt = true, r.At
		if r.Version != 0 {
			o.version = r.Version
		}
		if len(c.windows) == 0 {
			c.before++
		}
		if o.doomed {
			c.broken(Truth, "%s succeeded, and was to be rolled back", r.Op)
		}
	case Fail:
		c.v.Failed++
	default:
		c.v.Unknown++
		o.unknown = true
	}
	o.open--
	if r.Kind == OK || o.doomed || o.cut {
		return
	}
	for _, w := range open {
		w.bad++
		if r.Kind == Unknown {
			w.unknown++
		}
	}
	if c.expect.Answers {
		c.broken(Health, "%s was to succeed: %s", r.Op, r.Text)
	}
}

// open lists the faults under way. What a fault broke may be told a little after its end.
func (c *checker) open() (ws []*window) {
	for _, w := range c.windows {
		if w.to < 0 || c.last-w.to < int64(time.Second/time.Microsecond) {
			ws = append(ws, w)
		}
	}
	return ws
}

func (c *checker) tap(r Record) {
	c.v.Events++
	o := c.call(r.Op, r.Key)
	if o.arrived >= 0 {
		c.v.Duplicates++
		if o.id != r.ID || o.sum != r.Sum {
			c.broken(OneEvent, "%s came as %s (%s) and as %s (%s)", r.Op, o.id, o.sum, r.ID, r.Sum)
		}
		return
	}
	o.arrived, o.id, o.sum = r.At, r.ID, r.Sum
	if o.invoked < 0 {
		c.broken(NoGhost, "%s of the key %s arrived, and nobody asked for it", r.Op, r.Key)
		return
	}
	if o.doomed {
		c.broken(NoGhost, "%s arrived, and was rolled back", r.Op)
	}
	if o.key != r.Key {
		c.broken(OneEvent, "%s arrived with the key %s, not %s", r.Op, r.Key, o.key)
	}
	c.order[r.Key] = append(c.order[r.Key], &arrival{r.Op, r.Version})
}

func (c *checker) entry(r Record) {
	o := c.call(r.Op, r.Key)
	switch {
	case o.invoked < 0:
		c.broken(Truth, "%s is committed, and nobody asked for it", r.Op)
	case o.committed != 0:
		c.broken(Atomic, "%s is committed twice, as %d and %d", r.Op, o.committed, r.Version)
	case o.doomed:
		c.broken(Truth, "%s is committed, and was to be rolled back", r.Op)
	}
	o.committed = r.Version
	rows := c.rows[r.Key]
	if rows == nil {
		rows = map[int64]string{}
		c.rows[r.Key] = rows
	}
	if other, ok := rows[r.Version]; ok {
		c.broken(Atomic, "%s and %s are both number %d of %s", other, r.Op, r.Version, r.Key)
	}
	rows[r.Version] = r.Op
}

func (c *checker) judge() {
	c.v.Took = time.Duration(c.last) * time.Microsecond
	for _, op := range sortedKeys(c.calls) {
		c.judgeCall(op, c.calls[op])
	}
	c.judgeRows()
	c.judgeOrder()
	c.judgeRecovery()
	c.judgeEnd()
	c.judgeHealth()
	c.judgeGauges()
	c.gates()
}

// judgeCall compares what a caller was told with what is in the database and at the broker. Without the database's
// word, what was acknowledged counts as committed.
func (c *checker) judgeCall(op string, o *call) {
	failed := !o.ok && !o.unknown && o.open == 0 && o.invoked >= 0
	committed := o.committed != 0 || !c.final && o.ok
	if c.final {
		switch {
		case o.ok && o.committed == 0:
			c.broken(Truth, "%s succeeded, and is not committed", op)
		case o.ok && o.version != o.committed:
			c.broken(Truth, "%s was told that it is number %d, and is %d", op, o.version, o.committed)
		case failed && o.committed != 0 && !o.doomed:
			c.broken(Truth, "%s failed for certain, and is committed", op)
		}
		if o.arrived >= 0 && o.invoked >= 0 && o.committed == 0 && !o.doomed {
			c.broken(NoGhost, "%s arrived, and is not committed", op)
		}
	}
	if lag := seconds(o.arrived - o.okAt); c.expect.Lag > 0 && o.ok && o.arrived >= 0 && lag > c.expect.Lag {
		c.broken(Live, "%s arrived %.1f s after its acknowledgement, want at most %.0f s", op, lag, c.expect.Lag)
	}
	if committed && o.arrived < 0 {
		if o.letter {
			return // accounted for
		}
		c.broken(NoLoss, "%s of the key %s is committed, and did not arrive", op, o.key)
	}
	if o.letter && !committed {
		c.broken(Accounting, "%s is a dead letter, and is not committed", op)
	}
}

// judgeRows: the counter of a key and the rows that counted are written by the same transactions.
func (c *checker) judgeRows() {
	if !c.final {
		return
	}
	for _, key := range sortedKeys(c.rows) {
		n := int64(len(c.rows[key]))
		if c.totals[key] != n {
			c.broken(Atomic, "the counter of %s says %d, and there are %d rows", key, c.totals[key], n)
		}
		for i := range n {
			if _, ok := c.rows[key][i+1]; !ok {
				c.broken(Atomic, "%s has %d rows, and none with the number %d", key, n, i+1)
				break
			}
		}
	}
	for _, key := range sortedKeys(c.totals) {
		if c.totals[key] != 0 && len(c.rows[key]) == 0 {
			c.broken(Atomic, "the counter of %s says %d, and there is no row", key, c.totals[key])
		}
	}
}

// judgeOrder: first copies count 1, 2, 3. One that is a dead letter may be passed over; a lost one is told of as lost
// too.
func (c *checker) judgeOrder() {
	for _, key := range sortedKeys(c.order) {
		last := int64(0)
		for _, a := range c.order[key] {
			if o := c.calls[a.op]; o.committed != 0 && o.committed != a.version {
				c.broken(OneEvent, "%s says it is number %d, and is %d", a.op, a.version, o.committed)
			}
			for n := last + 1; n < a.version; n++ {
				if o := c.calls[c.rows[key][n]]; o == nil || !o.letter {
					c.broken(Order, "number %d of %s came first, after %d", a.version, key, last)
					break
				}
			}
			if a.version <= last {
				c.broken(Order, "number %d of %s came first, after %d", a.version, key, last)
			}
			last = max(last, a.version)
		}
	}
}

func (c *checker) judgeRecovery() {
	limit := defaultRecover
	if c.expect.Recover > 0 {
		limit = time.Duration(c.expect.Recover * float64(time.Second))
	}
	for _, w := range c.windows {
		if w.to < 0 {
			c.broken(Live, "%s was never healed", w.name)
			continue
		}
		took, slowest := time.Duration(0), ""
		for op, o := range c.calls {
			if !o.ok || o.okAt > w.to || o.arrived < 0 {
				continue
			}
			if d := time.Duration(o.arrived-w.to) * time.Microsecond; d > took {
				took, slowest = d, op
			}
		}
		c.v.Recovery = append(c.v.Recovery, took)
		if took > limit {
			c.broken(Live, "%s arrived %.1f s after %s was healed, want at most %.0f s", slowest, took.Seconds(), w.name, limit.Seconds())
		}
	}
}

func (c *checker) judgeEnd() {
	if c.outbox == nil {
		return
	}
	if c.outbox.Pending > 0 {
		c.broken(Live, "%d events are still in the outbox", c.outbox.Pending)
	}
	if c.outbox.Dead > 0 && !c.expect.Dead {
		c.broken(Accounting, "%d events are dead letters", c.outbox.Dead)
	}
}

// judgeHealth reads what processes said of themselves while they ran and were not stopped by us.
func (c *checker) judgeHealth() {
	var first int64 = -1
	for _, w := range c.windows {
		if first < 0 || w.from < first {
			first = w.from
		}
	}
	dropped := false
	last := map[string]Record{}
	for _, s := range c.statuses {
		if !s.Live {
			c.broken(Health, "%s was not live at %.1f s: %s", s.Name, seconds(s.At), s.Text)
		}
		if !s.Ready {
			dropped = dropped || first >= 0 && s.At >= first
			if c.expect.Ready == "stays" {
				c.broken(Health, "%s was not ready at %.1f s: %s", s.Name, seconds(s.At), s.Text)
			}
		}
		last[s.Name] = s
	}
	if c.expect.Ready == "drops" && !dropped {
		c.broken(Health, "the service was ready all the time")
	}
	for _, name := range sortedKeys(last) {
		if s := last[name]; !s.Ready && c.running(name) {
			c.broken(Health, "%s was not ready at the end: %s", name, s.Text)
		}
	}
}

// running reports whether a process was up at the end.
func (c *checker) running(name string) bool {
	up := true
	for _, p := range c.processes {
		if p.Name == name {
			up = p.Text != "killed" && p.Text != "stopped"
		}
	}
	return up
}

// judgeGauges compares a process's last status with its first one. A fault may leave connection pools as full as they may
// get, so it may double, and a small number may grow by sixty: what leaks does so with every failed call.
func (c *checker) judgeGauges() {
	if !c.expect.Settle {
		return
	}
	first, last := map[string]Record{}, map[string]Record{}
	for _, s := range c.statuses {
		if len(s.Gauges) == 0 {
			continue
		}
		if _, ok := first[s.Name]; !ok {
			first[s.Name] = s
		}
		last[s.Name] = s
	}
	for _, name := range sortedKeys(last) {
		for _, gauge := range sortedKeys(last[name].Gauges) {
			was, is := first[name].Gauges[gauge], last[name].Gauges[gauge]
			if slack := max(was, 60); is > was+slack {
				c.broken(Bounded, "%s has %d %s, and had %d before", name, is, gauge, was)
			}
		}
	}
}

// gates say what a run must have shown.
func (c *checker) gates() {
	void := func(format string, args ...any) { c.v.Void = append(c.v.Void, fmt.Sprintf(format, args...)) }
	if c.before < c.expect.Before {
		void("%d calls had succeeded before the fault, want %d", c.before, c.expect.Before)
	}
	begun, bad, unknown := 0, 0, 0
	for _, w := range c.windows {
		begun, bad, unknown = begun+w.begun, bad+w.bad, unknown+w.unknown
	}
	if begun < c.expect.During {
		void("%d calls were made during the fault, want %d", begun, c.expect.During)
	}
	for _, bite := range c.expect.Bites {
		var ok bool
		switch bite {
		case BiteSeen:
			ok = len(c.windows) > 0
			for _, w := range c.windows {
				ok = ok && c.seen[w.name]
			}
		case BiteFailed:
			ok = bad > 0
		case BiteUnknown:
			ok = unknown > 0
		case BiteBacklog:
			ok = c.maxQueued >= backlog
		case BiteDuplicate:
			ok = c.v.Duplicates > 0
		case BiteDeath:
			ok = c.death
		default:
			void("nobody knows how %q is seen", bite)
			continue
		}
		if !ok {
			void("the fault was not seen to bite: no sign of %q", bite)
		}
	}
}

func seconds(at int64) float64 { return float64(at) / 1e6 }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}
