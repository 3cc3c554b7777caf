// Package diag holds the one form of error a user of svcgen sees about an input file:
// where, what, and what to write instead. It formats diagnostics; it finds nothing itself and reads no file:
// whoever found something attaches the source line.
package diag

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Pos is a place in an input file. Line and Col count from 1; a column counts Unicode code points. Zero means unknown.
type Pos struct {
	File string
	Line int
	Col  int
}

// String is file:line:col with the unknown parts left out. It is safe to print.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return Escape(p.File)
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", Escape(p.File), p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", Escape(p.File), p.Line, p.Col)
}

// Compare orders positions by file, line and column.
func (p Pos) Compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Diagnostic is one thing wrong with an input.
type Diagnostic struct {
	Pos     Pos
	Message string // lower case, no full stop
	Hint    string // what to write instead; may be empty
	Warning bool   // a warning does not stop the run
	Limit   bool   // the input is not wrong but over a limit
	Line    string // text of the line Pos points to; empty when there is none to show

	hidden int // how many others it stands for
}

// String is the first line of the diagnostic: position and message. It is safe to print.
func (d Diagnostic) String() string {
	msg := Escape(d.Message)
	if d.Warning {
		msg = "warning: " + msg
	}
	if d.Pos.File == "" {
		return msg
	}
	return d.Pos.String() + ": " + msg
}

// List is the error returned by every package that reads input: all diagnostics of a run, sorted by position.
type List []Diagnostic

// Add appends a diagnostic.
func (l *List) Add(pos Pos, hint, format string, args ...any) {
	*l = append(*l, Diagnostic{Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// AddLimit appends a diagnostic about an input that is over a limit.
func (l *List) AddLimit(pos Pos, format string, args ...any) {
	*l = append(*l, Diagnostic{Pos: pos, Message: fmt.Sprintf(format, args...), Limit: true})
}

// Warn appends a warning.
func (l *List) Warn(pos Pos, hint, format string, args ...any) {
	*l = append(*l, Diagnostic{Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint, Warning: true})
}

// Error is every diagnostic on a line of its own.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// Err is l as an error: nil when it holds warnings only.
func (l List) Err() error {
	if l.HasErrors() {
		return l
	}
	return nil
}

// HasErrors reports whether a diagnostic of l is more than a warning.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return !d.Warning })
}

// In is a copy of l whose files are in the folder dir.
func (l List) In(dir string) List {
	l = slices.Clone(l)
	for i, d := range l {
		if d.Pos.File != "" {
			l[i].Pos.File = filepath.Join(dir, filepath.FromSlash(d.Pos.File))
		}
	}
	return l
}

// Sorted is a copy of l ordered by position and then by message, each diagnostic once.
func (l List) Sorted() List {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b Diagnostic) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(sorted, func(a, b Diagnostic) bool {
		return a.Pos == b.Pos && a.Message == b.Message && a.Warning == b.Warning
	})
}
