package diag

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const bom = "\ufeff"

// Sources maps the name of an input file, as positions spell it, to its content.
type Sources map[string][]byte

// MaxShown is how many diagnostics of a run are shown; a file with more of them is not read to the end.
const MaxShown = 100

// Finish is what a package returns: l sorted, without doubles, each diagnostic with its source line. Beyond the
// first hundred they are only counted, those that were not shown before among them.
func (s Sources) Finish(l List) List {
	if len(l) == 0 {
		return nil
	}
	rest := Diagnostic{Warning: true}
	l = slices.DeleteFunc(l.Sorted(), func(d Diagnostic) bool {
		rest.hidden += d.hidden
		rest.Warning = rest.Warning && (d.hidden == 0 || d.Warning)
		return d.hidden > 0
	})
	if more := len(l) - MaxShown; more > 0 {
		rest.hidden += more
		rest.Warning = rest.Warning && !l[MaxShown:].HasErrors()
		l = l[:MaxShown:MaxShown]
	}
	if rest.hidden > 0 {
		rest.Message = fmt.Sprintf("%d more mistakes are not shown", rest.hidden)
		l = append(l, rest)
	}
	for i := range l {
		if l[i].Line == "" && l[i].Pos.Line > 0 {
			l[i].Line = line(s[l[i].Pos.File], l[i].Pos.Line)
		}
	}
	return l
}

// line is the n-th line of src, counted from 1, without its line end or a byte order mark.
func line(src []byte, n int) string {
	for ; n > 1; n-- {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			return ""
		}
		src = src[i+1:]
	}
	if i := bytes.IndexByte(src, '\n'); i >= 0 {
		src = src[:i]
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(src), bom), "\r")
}

// At is the position of a byte offset in a file's content.
func At(file string, src []byte, offset int) Pos {
	offset = min(max(offset, 0), len(src))
	start := bytes.LastIndexByte(src[:offset], '\n') + 1
	head := src[start:offset]
	if start == 0 {
		head = bytes.TrimPrefix(head, []byte(bom))
	}
	return Pos{
		File: file,
		Line: bytes.Count(src[:start], []byte{'\n'}) + 1,
		Col:  utf8.RuneCount(head) + 1,
	}
}

// NotText is the offset of the first byte of src that is not UTF-8 or is NUL, or -1.
func NotText(src []byte) int {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 || r == 0 {
			return i
		}
		i += size
	}
	return -1
}
