package history

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// lines makes a history: the run's line and then recs, a millisecond apart where they do not say when.
func lines(expect Expect, recs ...Record) []Record {
	all := append([]Record{{Kind: Run, Name: "made", Seed: 7, Expect: &expect}}, recs...)
	for i := range all {
		if all[i].At == 0 {
			all[i].At = int64(i) * 1000
		}
	}
	return all
}

func write(t *testing.T, recs []Record) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	r := NewRecorder(&b, "", 0, Expect{})
	b.Reset() // the recorder's own first line is in its buffer still
	r.out.Reset(&b)
	for _, rec := range recs {
		if err := r.enc.Encode(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// The pieces of histories: a call for a key and its answer, an event, a row.
func invoke(op, key string) Record { return Record{Kind: Invoke, Op: op, Key: key} }
func ok(op string, n int64) Record { return Record{Kind: OK, Op: op, Version: n} }
func failed(op string) Record      { return Record{Kind: Fail, Op: op, Text: "no"} }
func unknown(op string) Record     { return Record{Kind: Unknown, Op: op, Text: "who knows"} }
func tapped(op, key string, n int64) Record {
	return Record{Kind: Tap, Op: op, Key: key, Version: n, ID: "id-" + op, Sum: "s"}
}
func entry(op, key string, n int64) Record { return Record{Kind: Entry, Op: op, Key: key, Version: n} }
func total(key string, n int64) Record     { return Record{Kind: Total, Key: key, Version: n} }
func outbox(pending, dead int) Record      { return Record{Kind: Outbox, Pending: pending, Dead: dead} }
func status(name string, ready, live bool) Record {
	return Record{Kind: Status, Name: name, Ready: ready, Live: live}
}
func process(name, what string) Record { return Record{Kind: Process, Name: name, Text: what} }

func at(ms int64, r Record) Record { r.At = ms * 1000; return r }

var (
	begin = Record{Kind: Begin, Name: "made"}
	heal  = Record{Kind: Heal, Name: "made"}
)

// good is a call that went well in every respect.
func good(op, key string, n int64) []Record {
	return []Record{invoke(op, key), ok(op, n), tapped(op, key, n), entry(op, key, n)}
}

// two are the first two numbers of key a, with their end.
var two = append(append(good("1", "a", 1), good("2", "a", 2)...), total("a", 2), outbox(0, 0))

// TestCheck gives the judge histories in which one thing is wrong and sees that it names the promise that is broken,
// and others in which all is well.
func TestCheck(t *testing.T) {
	doomed := Record{Kind: Invoke, Op: "1", Key: "a", Doomed: true}
	tests := []struct {
		name   string
		expect Expect
		recs   []Record
		broken []string // all of them
		void   string
	}{
		{name: "all is well", recs: two},
		{name: "nothing happens", recs: []Record{outbox(0, 0)}},
		{name: "an event comes again, late", recs: append(slices.Clone(two), tapped("1", "a", 1))},
		{name: "an unknown call was committed", recs: []Record{invoke("1", "a"), unknown("1"), tapped("1", "a", 1), entry("1", "a", 1), total("a", 1), outbox(0, 0)}},
		{name: "an unknown call was not", recs: []Record{invoke("1", "a"), unknown("1"), outbox(0, 0)}},
		{name: "a call that was to fail did", recs: []Record{doomed, failed("1"), outbox(0, 0)}},
		{name: "no database is read", recs: []Record{invoke("1", "a"), ok("1", 1), tapped("1", "a", 1)}},

		{name: "I1 an event is lost", recs: []Record{invoke("1", "a"), ok("1", 1), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{NoLoss}},
		{name: "I1 one of an unknown call", recs: []Record{invoke("1", "a"), unknown("1"), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{NoLoss}},
		{name: "I1 one that was acknowledged, no database is read", recs: []Record{invoke("1", "a"), ok("1", 1)}, broken: []string{NoLoss}},
		{name: "I2 nobody asked", recs: []Record{tapped("1", "a", 1)}, broken: []string{NoGhost}},
		{name: "I2 a rolled back event", recs: []Record{doomed, failed("1"), tapped("1", "a", 1), outbox(0, 0)}, broken: []string{NoGhost}},
		{name: "I2 an uncommitted event", recs: append(slices.Clone(two), invoke("3", "a"), unknown("3"), tapped("3", "a", 3)), broken: []string{NoGhost}},
		{name: "I3 two are swapped", recs: []Record{
			invoke("1", "a"), ok("1", 1), invoke("2", "a"), ok("2", 2), tapped("2", "a", 2), tapped("1", "a", 1),
			entry("1", "a", 1), entry("2", "a", 2), total("a", 2), outbox(0, 0),
		}, broken: []string{Order, Order}},
		{name: "I3 one is passed over", recs: []Record{
			invoke("1", "a"), ok("1", 1), invoke("2", "a"), ok("2", 2), tapped("2", "a", 2),
			entry("1", "a", 1), entry("2", "a", 2), total("a", 2), outbox(0, 0),
		}, broken: []string{NoLoss, Order}},
		{name: "I4 a copy has another id", recs: append(slices.Clone(two), Record{Kind: Tap, Op: "1", Key: "a", Version: 1, ID: "other", Sum: "s"}), broken: []string{OneEvent}},
		{name: "I4 a copy says something else", recs: append(slices.Clone(two), Record{Kind: Tap, Op: "1", Key: "a", Version: 1, ID: "id-1", Sum: "t"}), broken: []string{OneEvent}},
		{name: "I4 the number of another", recs: []Record{invoke("1", "a"), ok("1", 1), tapped("1", "a", 2), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{OneEvent, Order}},
		{name: "I5 acknowledged, not committed", recs: []Record{invoke("1", "a"), ok("1", 1), invoke("2", "a"), unknown("2"), tapped("2", "a", 1), entry("2", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{Truth}},
		{name: "I5 failed, and committed", recs: []Record{invoke("1", "a"), failed("1"), tapped("1", "a", 1), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{Truth}},
		{name: "I5 a call that was to fail succeeds", recs: []Record{doomed, ok("1", 1), tapped("1", "a", 1), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{NoGhost, Truth, Truth}},
		{name: "I5 a rolled back row", recs: []Record{doomed, failed("1"), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{Truth, NoLoss}},
		{name: "I5 the wrong number", recs: []Record{invoke("1", "a"), ok("1", 2), tapped("1", "a", 1), entry("1", "a", 1), total("a", 1), outbox(0, 0)}, broken: []string{Truth}},
		{name: "I6 the counter forgot one", recs: append(append(good("1", "a", 1), good("2", "a", 2)...), total("a", 1), outbox(0, 0)), broken: []string{Atomic}},
		{name: "I6 a counter without a row", recs: append(slices.Clone(two), total("b", 1)), broken: []string{Atomic}},
		{name: "I6 a number twice", recs: []Record{
			invoke("1", "a"), ok("1", 1), invoke("2", "a"), ok("2", 1), tapped("1", "a", 1), tapped("2", "a", 1),
			entry("1", "a", 1), entry("2", "a", 1), total("a", 2), outbox(0, 0),
		}, broken: []string{Atomic, Atomic, Order}},
		{name: "I7 the outbox is not empty", recs: append(slices.Clone(two[:len(two)-1]), outbox(3, 0)), broken: []string{Live}},
		{name: "I7 never healed", recs: append([]Record{begin}, two...), broken: []string{Live}},
		{name: "I7 too late after the fault", recs: []Record{
			at(1, begin), at(2, invoke("1", "a")), at(3, ok("1", 1)), at(4, heal), at(40_000, tapped("1", "a", 1)),
			at(50_000, entry("1", "a", 1)), at(50_000, total("a", 1)), at(50_000, outbox(0, 0)),
		}, broken: []string{Live}},
		{name: "I7 too late at any time", expect: Expect{Lag: 5}, recs: []Record{
			at(1, invoke("1", "a")), at(2, ok("1", 1)), at(6000, tapped("1", "a", 1)), at(6001, entry("1", "a", 1)), at(6001, total("a", 1)), at(6001, outbox(0, 0)),
		}, broken: []string{Live}},
		{name: "I8 goroutines stay", expect: Expect{Settle: true}, recs: []Record{
			{Kind: Status, Name: "p1", Ready: true, Live: true, Gauges: map[string]int{"go_goroutines": 40}},
			{Kind: Status, Name: "p1", Ready: true, Live: true, Gauges: map[string]int{"go_goroutines": 101}},
		}, broken: []string{Bounded}},
		{name: "I9 a dead letter", recs: append(append(slices.Clone(two[:len(two)-2]), invoke("3", "a"), ok("3", 3), entry("3", "a", 3)),
			Record{Kind: Letter, Op: "3"}, total("a", 3), outbox(0, 1)), broken: []string{Accounting}},
		{name: "a dead letter where they are expected", expect: Expect{Dead: true}, recs: append(append(slices.Clone(two[:len(two)-2]), invoke("3", "a"), ok("3", 3), entry("3", "a", 3)),
			Record{Kind: Letter, Op: "3"}, total("a", 3), outbox(0, 1))},
		{name: "I9 a dead letter that nobody committed", expect: Expect{Dead: true}, recs: append(slices.Clone(two), invoke("3", "a"), unknown("3"), Record{Kind: Letter, Op: "3"}), broken: []string{Accounting}},
		{name: "I10 not live", recs: []Record{status("p1", true, false), status("p1", true, true)}, broken: []string{Health}},
		{name: "I10 ready once too few", expect: Expect{Ready: "stays"}, recs: []Record{status("p1", false, true), status("p1", true, true)}, broken: []string{Health}},
		{name: "I10 ready all the time", expect: Expect{Ready: "drops"}, recs: []Record{begin, status("p1", true, true), heal}, broken: []string{Health}},
		{name: "it drops and is back", expect: Expect{Ready: "drops"}, recs: []Record{begin, status("p1", false, true), heal, status("p1", true, true)}},
		{name: "I10 not back at the end", expect: Expect{Ready: "drops"}, recs: []Record{begin, status("p1", false, true), heal}, broken: []string{Health}},
		{name: "gone at the end", recs: []Record{status("p1", false, true), process("p1", "killed")}},
		{name: "I10 a call fails that must not", expect: Expect{Answers: true}, recs: []Record{invoke("1", "a"), failed("1"), outbox(0, 0)}, broken: []string{Health}},
		{name: "one fails that was to", expect: Expect{Answers: true}, recs: []Record{doomed, failed("1"), outbox(0, 0)}},
		{name: "a caller gives up", expect: Expect{Answers: true}, recs: []Record{{Kind: Invoke, Op: "1", Key: "a", Cut: true}, unknown("1"), outbox(0, 0)}},

		{name: "too few calls before", expect: Expect{Before: 3}, recs: append(slices.Clone(two), begin, heal), void: "2 calls had succeeded before"},
		{name: "too few calls during", expect: Expect{During: 1}, recs: append(slices.Clone(two), begin, heal), void: "0 calls were made during"},
		{name: "nobody saw it", expect: Expect{Bites: []string{BiteSeen}}, recs: []Record{begin, heal}, void: "seen"},
		{name: "nothing failed", expect: Expect{Bites: []string{BiteFailed}}, recs: append(append([]Record{begin}, two...), heal), void: "failed"},
		{name: "what was to fail is no sign", expect: Expect{Bites: []string{BiteFailed}}, recs: []Record{begin, doomed, failed("1"), heal}, void: "failed"},
		{name: "nothing is unknown", expect: Expect{Bites: []string{BiteUnknown}}, recs: []Record{begin, invoke("1", "a"), failed("1"), heal}, void: "unknown"},
		{name: "nothing waited", expect: Expect{Bites: []string{BiteBacklog}}, recs: []Record{begin, {Kind: Depth, Pending: 9}, heal}, void: "backlog"},
		{name: "nothing came twice", expect: Expect{Bites: []string{BiteDuplicate}}, recs: append(append([]Record{begin}, two...), heal), void: "duplicate"},
		{name: "nobody died", expect: Expect{Bites: []string{BiteDeath}}, recs: []Record{begin, process("p1", "paused"), heal}, void: "death"},
		{name: "all of it was seen", expect: Expect{Before: 2, During: 1, Bites: []string{BiteSeen, BiteFailed, BiteUnknown, BiteBacklog, BiteDuplicate, BiteDeath}}, recs: append(slices.Clone(two),
			begin, Record{Kind: Seen, Name: "made"}, invoke("3", "a"), unknown("3"), Record{Kind: Depth, Pending: 100}, process("p1", "killed"), tapped("1", "a", 1), heal)},
		{name: "a bite nobody knows", expect: Expect{Bites: []string{"barks"}}, recs: two, void: "barks"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := Check(write(t, lines(tt.expect, tt.recs...)))
			if err != nil {
				t.Fatal(err)
			}
			var broken []string
			for _, w := range v.Violations {
				broken = append(broken, w.Promise)
			}
			slices.Sort(broken)
			slices.Sort(tt.broken)
			if !slices.Equal(broken, tt.broken) {
				t.Errorf("broken are %v, want %v", v.Violations, tt.broken)
			}
			if void := strings.Join(v.Void, "; "); (void == "") != (tt.void == "") || !strings.Contains(void, tt.void) {
				t.Errorf("void says %q, want %q", void, tt.void)
			}
			if v.Name != "made" || v.Seed != 7 {
				t.Errorf("judged run %s with seed %d", v.Name, v.Seed)
			}
		})
	}
}

// TestCutOff: a history whose writer died is no history of a whole run.
func TestCutOff(t *testing.T) {
	b := write(t, lines(Expect{}, two...))
	b.Truncate(b.Len() - 5)
	if v, err := Check(b); err == nil {
		t.Errorf("a history cut off in its last line is judged %v", v)
	}
	if v, err := Check(strings.NewReader("")); err == nil {
		t.Errorf("an empty history is judged %v", v)
	}
}

// TestRecovery: it is counted from the heal to the arrival of the last event that was acknowledged before.
func TestRecovery(t *testing.T) {
	v, err := Check(write(t, lines(Expect{},
		at(1, begin), at(2, invoke("1", "a")), at(3, ok("1", 1)), at(1000, heal), at(1500, invoke("2", "a")), at(1501, ok("2", 2)),
		at(3000, tapped("1", "a", 1)), at(9000, tapped("2", "a", 2)))))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Recovery) != 1 || v.Recovery[0].Seconds() != 2 {
		t.Errorf("recovered in %v, want 2 s", v.Recovery)
	}
}

// TestRecoveryBesideOthers: the time in which other faults last is not counted.
func TestRecoveryBesideOthers(t *testing.T) {
	v, err := Check(write(t, lines(Expect{},
		at(1, begin), at(2, invoke("1", "a")), at(3, ok("1", 1)), at(1000, heal), at(3000, begin), at(40_000, heal),
		at(44_000, begin), at(45_000, tapped("1", "a", 1)), at(50_000, heal))))
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Recovery) != 3 || v.Recovery[0].Seconds() != 6 || v.Recovery[1].Seconds() != 4 || v.Recovery[2] != 0 || len(v.Violations) != 0 {
		t.Errorf("recovered in %v, want 6, 4 and 0 s; %v", v.Recovery, v.Violations)
	}
}
