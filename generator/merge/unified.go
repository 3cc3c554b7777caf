package merge

import (
	"fmt"
	"strings"
)

// context is how many unchanged lines stand around a change in a unified diff.
const context = 3

// Unified returns the unified diff that turns a into b, with a/name and b/name as its headers, as
// `diff -u` and `git apply` know it; empty when the two are equal. A nil text is a file that does not exist.
func Unified(name string, a, b []byte) string {
	old, now := lines(a), lines(b)
	hunks := diff(old, now)
	if len(hunks) == 0 {
		return ""
	}
	from, to := "a/"+name, "b/"+name
	if a == nil {
		from = "/dev/null"
	}
	if b == nil {
		to = "/dev/null"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
	for len(hunks) > 0 {
		group := 1
		for group < len(hunks) && hunks[group].A0-hunks[group-1].A1 <= 2*context {
			group++
		}
		section(&out, old, now, hunks[:group])
		hunks = hunks[group:]
	}
	return out.String()
}

// section prints one @@ section over neighbouring hunks.
func section(out *strings.Builder, old, now []string, hunks []hunk) {
	first, last := hunks[0], hunks[len(hunks)-1]
	lead := min(context, first.A0)
	trail := min(context, len(old)-last.A1)
	a0, a1 := first.A0-lead, last.A1+trail
	b0, b1 := first.B0-lead, last.B1+trail
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(a0, a1), span(b0, b1))
	at := a0
	for _, h := range hunks {
		show(out, " ", old[at:h.A0])
		show(out, "-", old[h.A0:h.A1])
		show(out, "+", now[h.B0:h.B1])
		at = h.A1
	}
	show(out, " ", old[at:a1])
}

// span is a line range in the notation of a unified diff: start from 1 (0 where the range is empty), length
// left out when it is 1.
func span(from, to int) string {
	switch to - from {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	default:
		return fmt.Sprintf("%d,%d", from+1, to-from)
	}
}

func show(out *strings.Builder, mark string, lines []string) {
	for _, line := range lines {
		out.WriteString(mark + line)
		if !strings.HasSuffix(line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}
