package history

import (
	"errors"
	"fmt"
	"io"
	"time"
)

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
