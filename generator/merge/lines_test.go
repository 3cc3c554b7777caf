package merge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// longestCommon is the textbook O(NM) table: the oracle for how short an edit can be.
func longestCommon(a, b []string) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := range a {
		for j := range b {
			if a[i] == b[j] {
				table[i+1][j+1] = table[i][j] + 1
			} else {
				table[i+1][j+1] = max(table[i][j+1], table[i+1][j])
			}
		}
	}
	return table[len(a)][len(b)]
}

// BenchmarkDiffOfStrangers compares two long texts that share little but braces.
func BenchmarkDiffOfStrangers(b *testing.B) {
	old, now := strangers(8000)
	for b.Loop() {
		diff(old, now)
	}
}

// BenchmarkDiffOfShuffled compares two long texts of the same lines in other orders.
func BenchmarkDiffOfShuffled(b *testing.B) {
	old, _ := strangers(8000)
	now := shuffled(old)
	for b.Loop() {
		diff(old, now)
	}
}

func shuffled(lines []string) []string {
	lines = slices.Clone(lines)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// strangers are two texts of n lines of which every fourth may be in both.
func strangers(n int) (a, b []string) {
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		for _, text := range []*[]string{&a, &b} {
			line := fmt.Sprintf("%p %d\n", text, i)
			if rng.IntN(4) == 0 {
				line = strings.Repeat("\t", rng.IntN(4)) + "}\n"
			}
			*text = append(*text, line)
		}
	}
	return a, b
}

// TestDiffIsMinimalAndApplies proves on random texts that the hunks rebuild b from a, that no two touch, and
// that no shorter edit exists.
func TestDiffIsMinimalAndApplies(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	text := func() []string {
		out := make([]string, rng.IntN(30))
		for i := range out {
			out[i] = string(rune('a'+rng.IntN(1+rng.IntN(8)))) + "\n"
		}
		return out
	}
	for range 20_000 {
		a, b := text(), text()
		if got, want := kept(t, a, b), longestCommon(a, b); got != want {
			t.Fatalf("diff of %q and %q keeps %d lines, could keep %d", a, b, got, want)
		}
	}
}

// TestDiffOfLongTexts proves the same of long texts, which are compared otherwise; of those that are cut off, that the hunks
// rebuild.
func TestDiffOfLongTexts(t *testing.T) {
	a, b := strangers(1500)
	if got, want := kept(t, a, b), longestCommon(a, b); got != want {
		t.Errorf("keeps %d lines, could keep %d", got, want)
	}
	if kept(t, a, shuffled(a)) == 0 {
		t.Error("keeps no line")
	}
}

// kept is how many lines stay by the hunks between a and b. They rebuild b, and no two of them touch.
func kept(t *testing.T, a, b []string) int {
	t.Helper()
	var rebuilt []string
	at, kept := 0, 0
	for i, h := range diff(a, b) {
		if i > 0 && h.A0 <= at && len(rebuilt) == h.B0 && h.A0 == at {
			t.Fatalf("hunks touch at %d: %q -> %q", at, a, b)
		}
		rebuilt = append(rebuilt, a[at:h.A0]...)
		kept += h.A0 - at
		rebuilt = append(rebuilt, b[h.B0:h.B1]...)
		at = h.A1
	}
	rebuilt = append(rebuilt, a[at:]...)
	if strings.Join(rebuilt, "") != strings.Join(b, "") {
		t.Fatalf("diff of %q and %q rebuilds %q", a, b, rebuilt)
	}
	return kept + len(a) - at
}
