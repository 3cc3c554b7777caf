// Package history writes down what happened in a run against a service that publishes events, and judges it.
//
// A history is JSON lines: what was asked of the service and what it answered, what raw consumers got from the broker,
// what was done to the servers and processes, what the service said of its health, and at the end what the database
// holds. Check reads one and says which of the promises I1 to I10 were broken, or that the run proves nothing since
// its fault did not bite. It needs nothing but the file, so a history that was kept can be judged again, and it knows
// neither a database nor a broker.
package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Kind says what a record is about, and which of its fields are set.
type Kind string

// The kinds of records.
const (
	Run Kind = "run" // Name: the fault or test; Seed; Expect. The first line

	Invoke  Kind = "invoke"  // a call begins. Op, Key, Doomed, Cut, and Version when the caller numbers its events
	OK      Kind = "ok"      // it succeeded. Op, Version
	Fail    Kind = "fail"    // it failed, and the service says that nothing was done. Op, Text
	Unknown Kind = "unknown" // its outcome is not known. Op, Text

	Tap Kind = "tap" // a raw consumer got an event. Op, Key, Version, ID, Sum

	Begin Kind = "begin" // a fault begins. Name
	Seen  Kind = "seen"  // it was seen to bite. Name, Text
	Heal  Kind = "heal"  // it is over and what it hit answers again. Name

	Process Kind = "process" // something became of a process. Name, Text: started, ready, killed, paused, resumed, stopped
	Status  Kind = "status"  // what a process said of itself. Name, Ready, Live, Gauges, Text

	Depth Kind = "depth" // how many events waited in the outbox. Pending

	Entry  Kind = "entry"  // final: a row that a committed transaction wrote. Op, Key, Version
	Total  Kind = "total"  // final: where a key's counter stands. Key, Version
	Outbox Kind = "outbox" // final: what is left to publish. Pending, Dead
	Letter Kind = "letter" // final: an event among the dead letters. Op
)

// Record is one line.
type Record struct {
	At      int64          `json:"at"` // microseconds since the run began
	Kind    Kind           `json:"kind"`
	Name    string         `json:"name,omitempty"`
	Op      string         `json:"op,omitempty"`
	Key     string         `json:"key,omitempty"`
	Version int64          `json:"version,omitempty"`
	ID      string         `json:"id,omitempty"`
	Sum     string         `json:"sum,omitempty"`    // of what the event says; copies must agree
	Doomed  bool           `json:"doomed,omitempty"` // the service is asked to roll back
	Cut     bool           `json:"cut,omitempty"`    // the caller gives up on purpose; either outcome is right
	Ready   bool           `json:"ready,omitempty"`
	Live    bool           `json:"live,omitempty"`
	Pending int            `json:"pending,omitempty"`
	Dead    int            `json:"dead,omitempty"`
	Gauges  map[string]int `json:"gauges,omitempty"`
	Seed    uint64         `json:"seed,omitempty"`
	Text    string         `json:"text,omitempty"`
	Expect  *Expect        `json:"expect,omitempty"`
}

// Expect is what a run promises beyond what every run does, and what it must have shown to count.
type Expect struct {
	// Ready is what /readyz must have said: "stays" ready all the time, "drops" during the fault, "" either.
	Ready string `json:"ready,omitempty"`
	// Answers says that no call may fail but those that were meant to.
	Answers bool `json:"answers,omitempty"`
	// Dead allows dead letters at the end.
	Dead bool `json:"dead,omitempty"`
	// Recover is how long after a heal everything acknowledged before may take to arrive, in seconds.
	Recover float64 `json:"recover,omitempty"`
	// Lag is how long any event may take from its acknowledgement to its arrival, in seconds; 0: as long as it takes.
	Lag float64 `json:"lag,omitempty"`
	// Settle bounds what is left of a fault in the processes: gauges of the last status against the first.
	Settle bool `json:"settle,omitempty"`

	// Before and During are how many calls must have succeeded before the first fault, and how many must have begun
	// within the faults.
	Before int `json:"before,omitempty"`
	During int `json:"during,omitempty"`
	// Bites names what must have been seen of each run's faults; see the Bite constants.
	Bites []string `json:"bites,omitempty"`
}

// What shows that a fault has bitten.
const (
	BiteSeen      = "seen"      // whoever inflicted it saw it work
	BiteFailed    = "failed"    // a call failed, or has no known outcome, that was to succeed
	BiteUnknown   = "unknown"   // a call has no known outcome that was to succeed
	BiteBacklog   = "backlog"   // events waited: the outbox held some hundred
	BiteDuplicate = "duplicate" // an event came twice
	BiteDeath     = "death"     // a process was killed
)

// Backlog is how many events must have waited for BiteBacklog.
const Backlog = 100

// Recorder writes a history. It may be used from any goroutine; an error of its writer is told by Close.
type Recorder struct {
	began time.Time

	mu  sync.Mutex
	out *bufio.Writer
	enc *json.Encoder
	err error
}

// NewRecorder begins a history with its first line.
func NewRecorder(w io.Writer, name string, seed uint64, expect Expect) *Recorder {
	r := &Recorder{began: time.Now(), out: bufio.NewWriterSize(w, 64<<10)}
	r.enc = json.NewEncoder(r.out)
	r.Add(Record{Kind: Run, Name: name, Seed: seed, Expect: &expect})
	return r
}

// Add writes one record with the time of now.
func (r *Recorder) Add(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.At = time.Since(r.began).Microseconds() // under the lock, so that lines are in the order of their times
	if err := r.enc.Encode(rec); err != nil && r.err == nil {
		r.err = err
	}
}

// Close writes what is still in memory.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(r.err, r.out.Flush()); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	return nil
}

// Read calls each with every record of a history. A last line that was cut off is an error: the run did not end.
func Read(in io.Reader, each func(Record)) error {
	dec := json.NewDecoder(bufio.NewReaderSize(in, 64<<10))
	dec.DisallowUnknownFields()
	for n := 1; ; n++ {
		var rec Record
		switch err := dec.Decode(&rec); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("history: record %d: %w", n, err)
		}
		each(rec)
	}
}
