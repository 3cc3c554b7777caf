package merge

import (
	"bytes"
	"slices"
	"strings"
)

// Conflict is a place where both sides changed the same lines of the base differently.
type Conflict struct {
	Line   int // in ours, from 1: where it begins
	Base   string
	Ours   string
	Theirs string
}

// ThreeWay merges the changes from base to theirs into ours. Without conflicts the text is the merge, in the
// line endings and with the byte order mark of ours. With conflicts it is nil: a text with half of the changes
// would be worse than none.
//
// Changes of the two sides conflict when they overlap or touch, unless both sides made the same change. That is
// the rule of `git merge-file`.
func ThreeWay(base, ours, theirs []byte) ([]byte, []Conflict) {
	oursLines := lines(ours)
	style := styleOf(ours)
	baseLines, theirLines := lines(style.apply(base)), lines(style.apply(theirs))

	var out strings.Builder
	var conflicts []Conflict
	left, right := diff(baseLines, oursLines), diff(baseLines, theirLines)
	at := 0 // how far the base is merged
	keep := func(to int) {
		for ; at < to; at++ {
			out.WriteString(baseLines[at])
		}
	}
	for len(left) > 0 || len(right) > 0 {
		switch {
		case len(right) == 0 || (len(left) > 0 && before(left[0], right[0])):
			keep(left[0].A0)
			write(&out, oursLines[left[0].B0:left[0].B1])
			at, left = left[0].A1, left[1:]
		case len(left) == 0 || before(right[0], left[0]):
			keep(right[0].A0)
			write(&out, theirLines[right[0].B0:right[0].B1])
			at, right = right[0].A1, right[1:]
		default:
			l, r := take(&left, &right)
			keep(l.A0)
			b, o, t := baseLines[l.A0:l.A1], oursLines[l.B0:l.B1], theirLines[r.B0:r.B1]
			switch {
			case slices.Equal(o, t), slices.Equal(b, t):
				write(&out, o)
			case slices.Equal(b, o):
				write(&out, t)
			default:
				conflicts = append(conflicts, Conflict{
					Line: l.B0 + 1,
					Base: strings.Join(b, ""), Ours: strings.Join(o, ""), Theirs: strings.Join(t, ""),
				})
			}
			at = l.A1
		}
	}
	keep(len(baseLines))
	if conflicts != nil {
		return nil, conflicts
	}
	return []byte(out.String()), nil
}

// before reports whether a ends in the base before b begins, with at least one unchanged line between them.
func before(a, b hunk) bool { return a.A1 < b.A0 }

// take removes from both lists the hunks that overlap or touch each other, and returns for each side one hunk
// over the whole base region they cover together.
func take(left, right *[]hunk) (l, r hunk) {
	l, r = (*left)[0], (*right)[0]
	*left, *right = (*left)[1:], (*right)[1:]
	for {
		end := max(l.A1, r.A1)
		switch {
		case len(*left) > 0 && (*left)[0].A0 <= end:
			l.A1, l.B1 = (*left)[0].A1, (*left)[0].B1
			*left = (*left)[1:]
		case len(*right) > 0 && (*right)[0].A0 <= end:
			r.A1, r.B1 = (*right)[0].A1, (*right)[0].B1
			*right = (*right)[1:]
		default:
			start := min(l.A0, r.A0)
			widen := func(h hunk) hunk {
				return hunk{A0: start, A1: end, B0: h.B0 - (h.A0 - start), B1: h.B1 + (end - h.A1)}
			}
			return widen(l), widen(r)
		}
	}
}

func write(out *strings.Builder, lines []string) {
	for _, line := range lines {
		out.WriteString(line)
	}
}

// style is what an editor may have changed in every line of a file without meaning to change any.
type style struct{ bom, crlf bool }

var bom = []byte("\ufeff")

// styleOf reads the style of text: CRLF when every line but an unfinished last one ends so.
func styleOf(text []byte) style {
	newlines := bytes.Count(text, []byte("\n"))
	return style{
		bom:  bytes.HasPrefix(text, bom),
		crlf: newlines > 0 && bytes.Count(text, []byte("\r\n")) == newlines,
	}
}

// apply returns text in style s.
func (s style) apply(text []byte) []byte {
	text = bytes.TrimPrefix(text, bom)
	if s.crlf {
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}
	if s.bom {
		text = append(slices.Clone(bom), text...)
	}
	return text
}
