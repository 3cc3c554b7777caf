// Package merge compares and merges texts line by line: the edits between two texts, their unified diff,
// and the three-way merge that keeps a user's file current. It works on bytes in memory, knows no file
// format and touches no disk.
//
// The comparison is Myers' O(ND) algorithm in linear space (E. Myers, An O(ND) Difference Algorithm and Its
// Variations, 1986, section 4b). It has a cut-off, far beyond what people edit: a capped comparison may report conflicts
// where there are none, but one without takes seconds for texts that have little in common.
package merge

import "bytes"

// lines splits text after every newline. The last line may lack one, and is then different from one that has it.
func lines(text []byte) []string {
	var out []string
	for len(text) > 0 {
		n := bytes.IndexByte(text, '\n') + 1
		if n == 0 {
			n = len(text)
		}
		out = append(out, string(text[:n]))
		text = text[n:]
	}
	return out
}

// hunk says that a[A0:A1] became b[B0:B1]. One of the two may be empty.
type hunk struct{ A0, A1, B0, B1 int }

// cutOff is how many steps are taken from either end to where the two meet: up to twice as many changed lines the result is
// the smallest.
const cutOff = 1024

// diff returns a list of hunks that turn a into b, in order; no two of them touch. Up to the cut-off it is the smallest.
func diff(a, b []string) []hunk {
	// Comparing small integers is several times faster than comparing strings again and again.
	ids := make(map[string]int, len(a)+len(b))
	number := func(lines []string) []int {
		out := make([]int, len(lines))
		for i, line := range lines {
			id, ok := ids[line]
			if !ok {
				id = len(ids)
				ids[line] = id
			}
			out[i] = id
		}
		return out
	}
	x, y := number(a), number(b)
	if len(a)+len(b) <= 2*cutOff {
		return slide(compare(x, y), x, y)
	}
	return slide(compareCommon(x, y), x, y)
}

// compareCommon is compare for long texts: lines that only one of them has are in no match, and most of the work otherwise.
func compareCommon(a, b []int) []hunk {
	fromA, fromB := shared(a, b), shared(b, a)
	pick := func(lines, at []int) []int {
		out := make([]int, len(at))
		for i, n := range at {
			out[i] = lines[n]
		}
		return out
	}
	var d differ
	a0, b0 := 0, 0
	match := func(a1, b1 int) {
		if a1 > a0 || b1 > b0 {
			d.add(hunk{a0, a1, b0, b1})
		}
		a0, b0 = a1+1, b1+1
	}
	i, j := 0, 0
	for _, h := range append(compare(pick(a, fromA), pick(b, fromB)), hunk{A0: len(fromA), B0: len(fromB)}) {
		for ; i < h.A0; i, j = i+1, j+1 {
			match(fromA[i], fromB[j])
		}
		i, j = h.A1, h.B1
	}
	match(len(a), len(b))
	return d.hunks
}

// shared are the positions of the lines that other has too.
func shared(lines, other []int) []int {
	has := make(map[int]bool, len(other))
	for _, line := range other {
		has[line] = true
	}
	var at []int
	for n, line := range lines {
		if has[line] {
			at = append(at, n)
		}
	}
	return at
}

// compare returns the hunks between a and b, in which any of several that are as good may be chosen.
func compare(a, b []int) []hunk {
	size := len(a) + len(b) + 2
	d := differ{a: a, b: b, forward: make([]int, 2*size+1), backward: make([]int, 2*size+1)}
	d.compare(0, len(a), 0, len(b))
	return d.hunks
}

// slide moves every pure insertion and deletion as far down as it can go. A line doubled is then a line added
// below, which is how git shows it, and where a three-way merge meets the fewest false conflicts.
func slide(hunks []hunk, a, b []int) []hunk {
	var out []hunk
	for i := range hunks {
		h, end := hunks[i], len(a)
		if i+1 < len(hunks) {
			end = hunks[i+1].A0
		}
		for h.A1 < end {
			insertion := h.A0 == h.A1 && b[h.B0] == b[h.B1]
			deletion := h.B0 == h.B1 && a[h.A0] == a[h.A1]
			if !insertion && !deletion {
				break
			}
			h = hunk{h.A0 + 1, h.A1 + 1, h.B0 + 1, h.B1 + 1}
		}
		if h.A1 == end && i+1 < len(hunks) { // it has met the next one
			hunks[i+1].A0, hunks[i+1].B0 = h.A0, h.B0
			continue
		}
		out = append(out, h)
	}
	return out
}

// differ holds one comparison: the two texts as numbers, and the furthest points reached on each diagonal.
type differ struct {
	a, b              []int
	forward, backward []int
	hunks             []hunk
}

// compare appends the hunks between a[a0:a1] and b[b0:b1].
func (d *differ) compare(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 && d.a[a0] == d.b[b0] {
		a0, b0 = a0+1, b0+1
	}
	for a0 < a1 && b0 < b1 && d.a[a1-1] == d.b[b1-1] {
		a1, b1 = a1-1, b1-1
	}
	switch {
	case a0 == a1 && b0 == b1:
	case a0 == a1 || b0 == b1:
		d.add(hunk{a0, a1, b0, b1})
	default:
		x, y := d.middle(a0, a1, b0, b1)
		if (x == a0 && y == b0) || (x == a1 && y == b1) { // nothing in common
			d.add(hunk{a0, a1, b0, b1})
			return
		}
		d.compare(a0, x, b0, y)
		d.compare(x, a1, y, b1)
	}
}

// add appends h, joined with the hunk before it where the two touch.
func (d *differ) add(h hunk) {
	if n := len(d.hunks); n > 0 {
		if last := &d.hunks[n-1]; last.A1 == h.A0 && last.B1 == h.B0 {
			last.A1, last.B1 = h.A1, h.B1
			return
		}
	}
	d.hunks = append(d.hunks, h)
}

// middle returns a point that lies on a shortest path through a[a0:a1] × b[b0:b1], near its middle: where the
// furthest paths from both corners meet. Where they have not met at the cut-off it is the end of the one that got furthest.
// Neither range is empty, and they differ at both ends.
func (d *differ) middle(a0, a1, b0, b1 int) (x, y int) {
	n, m := a1-a0, b1-b0
	delta := n - m
	odd := delta%2 != 0
	zero := len(d.forward) / 2
	fw, bw := d.forward, d.backward
	fw[zero+1], bw[zero+1] = 0, 0
	for step := 0; ; step++ {
		if step > cutOff {
			fx, fy := furthest(fw, zero, cutOff, n, m)
			bx, by := furthest(bw, zero, cutOff, n, m)
			if fx+fy >= bx+by {
				return a0 + fx, b0 + fy
			}
			return a1 - bx, b1 - by
		}
		for k := -step; k <= step; k += 2 {
			var px int
			if k == -step || (k != step && fw[zero+k-1] < fw[zero+k+1]) {
				px = fw[zero+k+1]
			} else {
				px = fw[zero+k-1] + 1
			}
			py := px - k
			for px < n && py < m && py >= 0 && d.a[a0+px] == d.b[b0+py] {
				px, py = px+1, py+1
			}
			fw[zero+k] = px
			if back := delta - k; odd && back >= -(step-1) && back <= step-1 && px+bw[zero+back] >= n {
				return a0 + min(px, n), b0 + min(py, m)
			}
		}
		for k := -step; k <= step; k += 2 {
			var px int
			if k == -step || (k != step && bw[zero+k-1] < bw[zero+k+1]) {
				px = bw[zero+k+1]
			} else {
				px = bw[zero+k-1] + 1
			}
			py := px - k
			for px < n && py < m && py >= 0 && d.a[a1-1-px] == d.b[b1-1-py] {
				px, py = px+1, py+1
			}
			bw[zero+k] = px
			if fore := delta - k; !odd && fore >= -step && fore <= step && px+fw[zero+fore] >= n {
				return a1 - min(px, n), b1 - min(py, m)
			}
		}
	}
}

// furthest is the end of the path that got furthest within n × m in so many steps.
func furthest(reached []int, zero, steps, n, m int) (x, y int) {
	for k := -steps; k <= steps; k += 2 {
		px := reached[zero+k]
		if py := px - k; px <= n && py <= m && px+py > x+y {
			x, y = px, py
		}
	}
	return x, y
}
