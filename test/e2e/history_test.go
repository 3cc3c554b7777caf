package e2e

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// seen is an event as a raw consumer got it: the number that the writer of its key gave it.
type seen struct {
	key string
	seq int
}

// verify checks what arrived against what callers were told. For each key the writer counted its calls from 1 and
// began one only when the one before had succeeded; a call without an answer it made again, so a number may come
// more than once. acked is the last number of each key whose call succeeded, begun the last one it called with.
//
// Nothing acknowledged may be missing, nothing may be there that nobody asked for, and the first occurrences of each
// key must count 1, 2, 3 and so on.
func verify(acked, begun map[string]int, events []seen) error {
	var errs []error
	last := map[string]int{}
	for i, e := range events {
		switch {
		case e.seq > begun[e.key]:
			errs = append(errs, fmt.Errorf("event %d: nobody sent %s/%d", i, e.key, e.seq))
		case e.seq == last[e.key]+1:
			last[e.key] = e.seq
		case e.seq > last[e.key]:
			errs = append(errs, fmt.Errorf("event %d: %s/%d comes first, after %d", i, e.key, e.seq, last[e.key]))
			last[e.key] = e.seq
		}
	}
	for _, key := range slices.Sorted(maps.Keys(acked)) {
		if last[key] < acked[key] {
			errs = append(errs, fmt.Errorf("lost %s/%d to %d", key, last[key]+1, acked[key]))
		}
	}
	return errors.Join(errs...)
}

// TestVerify proves that the judge of the other tests can condemn.
func TestVerify(t *testing.T) {
	a := func(seqs ...int) (events []seen) {
		for _, n := range seqs {
			events = append(events, seen{"a", n})
		}
		return events
	}
	tests := []struct {
		name         string
		acked, begun int
		events       []seen
		want         string
	}{
		{"nothing", 0, 0, nil, ""},
		{"all in order", 3, 3, a(1, 2, 3), ""},
		{"a key among others", 2, 2, []seen{{"a", 1}, {"b", 1}, {"a", 2}}, ""},
		{"a late repetition", 3, 3, a(1, 2, 3, 1, 2), ""},
		{"one whose call had no answer", 2, 3, a(1, 2, 3), ""},
		{"the last one lost", 3, 3, a(1, 2), "lost a/3 to 3"},
		{"all lost", 2, 2, nil, "lost a/1 to 2"},
		{"one lost in the middle", 3, 3, a(1, 3), "a/3 comes first, after 1"},
		{"two swapped", 3, 3, a(1, 3, 2), "a/3 comes first, after 1"},
		{"one too many", 1, 1, a(1, 2), "nobody sent a/2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := verify(map[string]int{"a": tt.acked}, map[string]int{"a": tt.begun, "b": 9}, tt.events)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
