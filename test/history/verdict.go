package history

import (
	"errors"
	"fmt"
	"slices"
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
