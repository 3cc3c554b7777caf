package history

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// defaultRecover is the limit of recovery where a run says none.
const defaultRecover = 30 * time.Second

func (c *checker) judge() {
	c.v.Took = time.Duration(c.last) * time.Microsecond
	for _, op := range slices.Sorted(maps.Keys(c.calls)) {
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
	for _, key := range slices.Sorted(maps.Keys(c.rows)) {
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
	for _, key := range slices.Sorted(maps.Keys(c.totals)) {
		if c.totals[key] != 0 && len(c.rows[key]) == 0 {
			c.broken(Atomic, "the counter of %s says %d, and there is no row", key, c.totals[key])
		}
	}
}

// judgeOrder: first copies count 1, 2, 3. One that is a dead letter may be passed over; a lost one is told of as lost
// too.
func (c *checker) judgeOrder() {
	for _, key := range slices.Sorted(maps.Keys(c.order)) {
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

// judgeRecovery counts the time in which no other fault lasts: under that the service cannot go on either.
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
			if d := c.calm(w.to, o.arrived); d > took {
				took, slowest = d, op
			}
		}
		c.v.Recovery = append(c.v.Recovery, took)
		if took > limit {
			c.broken(Live, "%s arrived %.1f s after %s was healed, want at most %.0f s", slowest, took.Seconds(), w.name, limit.Seconds())
		}
	}
}

// calm is how much of the time between two moments no fault lasted.
func (c *checker) calm(from, to int64) time.Duration {
	at, sum := from, int64(0)
	for _, w := range c.windows { // one after the other, in their order
		if w.to <= at || w.from >= to {
			continue
		}
		sum += max(w.from-at, 0)
		at = w.to
	}
	return time.Duration(sum+max(to-at, 0)) * time.Microsecond
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
	for _, name := range slices.Sorted(maps.Keys(last)) {
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
	for _, name := range slices.Sorted(maps.Keys(last)) {
		for _, gauge := range slices.Sorted(maps.Keys(last[name].Gauges)) {
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
			ok = c.maxQueued >= Backlog
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
