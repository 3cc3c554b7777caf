package diag

import (
	"fmt"
	"strings"
)

// DidYouMean is a hint naming the candidate that got was probably meant to be, or "" when none is near.
func DidYouMean(got string, candidates []string) string {
	if best := Nearest(got, candidates); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return ""
}

// Nearest is the candidate at the smallest edit distance from got, if that is small for the length of what they do not
// share (acme.v1.Nope is not near acme.v1.Deps); the first of equals. Case does not count, and a candidate that differs
// by a dotted prefix only (OrderPlaced, acme.v1.OrderPlaced) is near.
func Nearest(got string, candidates []string) string {
	if got == "" || len(got) > maxWord {
		return ""
	}
	best, bestDistance := "", maxWord
	for _, c := range candidates {
		if len(c) > maxWord || c == got {
			continue
		}
		d := distance(strings.ToLower(got), strings.ToLower(c))
		if strings.HasSuffix(c, "."+got) {
			d = 1
		} else if last := c[strings.LastIndexByte(c, '.')+1:]; last != c && !strings.Contains(got, ".") {
			d = min(d, 1+distance(strings.ToLower(got), strings.ToLower(last)))
		}
		if own := []rune(got[shared(got, c):]); d < bestDistance && d <= max(len(own)/3, 1) {
			best, bestDistance = c, d
		}
	}
	return best
}

// shared is the length of the elements, up to a dot, that a and b both start with.
func shared(a, b string) int {
	n := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if a[i] == '.' {
			n = i + 1
		}
	}
	return n
}

// maxWord bounds the quadratic comparison; longer words are no typing errors.
const maxWord = 256

// distance is the number of insertions, deletions, replacements and swaps of neighbours from a to b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before []int
	last := make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row := make([]int, len(t)+1)
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(t)]
}
