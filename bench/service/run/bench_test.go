package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func testBench() *bench {
	return &bench{rounds: 3, scale: 1, match: regexp.MustCompile(""), log: io.Discard, rand: rand.New(rand.NewPCG(1, 2))}
}

// Every variant has one turn in each round; one that fails has no more, and is named.
func TestInterleave(t *testing.T) {
	b := testBench()
	var turns []string
	turn := func(name string, err error) variant {
		return variant{name, func(context.Context) (sample, error) {
			turns = append(turns, name)
			return sample{Rate: float64(len(turns))}, err
		}}
	}
	table := &table{title: "t", columns: []column{rate}}
	if err := b.interleave(t.Context(), table, []variant{turn("a", nil), turn("b", nil), turn("broken", errors.New("out of order"))}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		name string
		n    int
	}{{"a", 3}, {"b", 3}, {"broken", 1}} {
		got := 0
		for _, name := range turns {
			if name == want.name {
				got++
			}
		}
		if got != want.n {
			t.Errorf("%s had %d turns, want %d", want.name, got, want.n)
		}
	}
	var out strings.Builder
	table.write(&out)
	if !strings.Contains(out.String(), "broken failed: out of order") || !strings.Contains(out.String(), "| broken | – |") {
		t.Errorf("the failure is not told:\n%s", &out)
	}
}

// Ratios are of the same round: a machine that slows down for all changes none of them.
func TestRatioWithinRounds(t *testing.T) {
	table := &table{}
	for _, speed := range []float64{1, 0.1, 10} {
		table.rounds = append(table.rounds, map[string]sample{"ours": {Rate: 300 * speed}, "theirs": {Rate: 100 * speed}})
	}
	table.rounds = append(table.rounds, map[string]sample{"ours": {Rate: 1}}) // theirs failed
	s, ok := table.ratio("ours", "theirs", rate.of)
	if !ok || s.median < 2.999 || s.median > 3.001 || s.most-s.least > 0.001 {
		t.Errorf("got %v, %v; want 3 in every round", s, ok)
	}
	if _, ok := table.ratio("ours", "nobody", rate.of); ok {
		t.Error("a ratio to nothing")
	}
}

func TestSpread(t *testing.T) {
	if s := spreadOf([]float64{5, 1, 3}); s != (spread{3, 1, 5}) {
		t.Error(s)
	}
	if s := spreadOf([]float64{4, 1, 3, 2}); s != (spread{2.5, 1, 4}) {
		t.Error(s)
	}
}

// A goal of a table nobody measures, or of a variant nobody runs, would never be missed.
func TestGoalsAreMeasured(t *testing.T) {
	titles := []string{drainRabbit, drainTopics, snapshotTitle, steadyTitle, latencyTitle, grpcTitle}
	for _, n := range []int{1, 16, 64} {
		titles = append(titles, txTitle("PostgreSQL", n), sqliteTitle(n))
	}
	names := []string{
		byHand, byHandOutbox, autocommit, inTx, inTxQueued, inTxShared, inTxSilent, raw, relay, loopOne, loopTwo, waterName, riverName, oagudo,
		quiet, held, noRelay, relayOnly, relayRabbit, rawConfirm, latencyRelay, latencyLoop, latencyWater, latencyRiver,
		bare, chain, goZero, goKratos, alone, perCaller, shared,
	}
	round := map[string]sample{}
	for _, name := range names {
		round[name] = sample{Rate: 1, CPU: 1, P50: 1, P99: 1, Allocs: 1}
	}
	for _, g := range goals() {
		if !slices.Contains(titles, g.table) {
			t.Errorf("%s: no table %q", g.text, g.table)
		}
		if _, ok := g.value(&table{rounds: []map[string]sample{round}}); !ok {
			t.Errorf("%s: not measured", g.text)
		}
	}
}

func TestPicture(t *testing.T) {
	standings := []standing{
		{goal: goal{text: "a & b < c", limit: 1.2}, spread: spread{0.6, 0.5, 0.7}, measured: true},
		{goal: goal{text: "less is better", limit: 2, atMost: true}, spread: spread{1, 0.5, 4}, measured: true},
		{goal: goal{text: "nobody looked"}},
	}
	if standings[0].reached() || !standings[1].reached() || standings[1].share() != 2 {
		t.Error("a goal is judged the wrong way round")
	}
	picture := drawGoals(standings)
	d := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &amp; b &lt; c", "not measured", "prefers-color-scheme: dark"} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("no %q in the picture", want)
		}
	}
}
