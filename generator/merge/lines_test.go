package merge

import (
	"math/rand/v2"
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
		kept += len(a) - at
		if strings.Join(rebuilt, "") != strings.Join(b, "") {
			t.Fatalf("diff of %q and %q rebuilds %q", a, b, rebuilt)
		}
		if want := longestCommon(a, b); kept != want {
			t.Fatalf("diff of %q and %q keeps %d lines, could keep %d", a, b, kept, want)
		}
	}
}
