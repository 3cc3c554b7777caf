package schema

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/reporter"

	"github.com/svcgen/svcgen/generator/diag"
)

// maxErrors is how many errors of the compiler are kept; after them it stops.
const maxErrors = 50

// report takes an error of the compiler; returning nil lets it go on and find more. The compiler calls it under a lock.
func (l *loader) report(err reporter.ErrorWithPos) error {
	l.add(err)
	if len(l.list) >= maxErrors {
		return reporter.ErrInvalidSource
	}
	return nil
}

// warn takes a warning of the compiler. Those about files that are merely imported are nobody's business here.
func (l *loader) warn(err reporter.ErrorWithPos) {
	if f := l.files[err.GetPosition().Filename]; f != nil && f.Listed && !strings.Contains(err.Error(), "no syntax specified") {
		l.list.Warn(l.pos(err), "", "%s", message(err.Unwrap()))
	}
}

// add turns an error of the compiler into a diagnostic.
func (l *loader) add(err error) {
	var at reporter.ErrorWithPos
	if !errors.As(err, &at) {
		if !errors.Is(err, reporter.ErrInvalidSource) {
			l.list.Add(diag.Pos{}, "", "%s", message(err))
		}
		return
	}
	if l.unmerged(at) || l.tooNew(at) {
		return
	}
	hint := hint(at.Unwrap().Error())
	if hint == noLabel && !l.bare[at.GetPosition().Filename] {
		hint = ""
	}
	l.list.Add(l.pos(at), hint, "%s", message(at.Unwrap()))
}

// unmerged adds, once, that a merge left a conflict in the file of an error: the errors that follow say nothing.
func (l *loader) unmerged(err reporter.ErrorWithPos) bool {
	f := l.files[err.GetPosition().Filename]
	if f == nil {
		return false
	}
	d, ok := diag.Unmerged(f.Disk, f.Content)
	if ok && !slices.Contains(l.list, d) {
		l.list = append(l.list, d)
	}
	return ok
}

// laterEdition is what makes a file one of an edition that the compiler does not read.
var laterEdition = regexp.MustCompile(`(?m)^\s*edition\s*=\s*["'](202[4-9]|20[3-9][0-9])["']`)

// tooNew adds, once, that the file of an error is of such an edition: what the compiler says of its syntax says nothing.
func (l *loader) tooNew(err reporter.ErrorWithPos) bool {
	f := l.files[err.GetPosition().Filename]
	if f == nil {
		return false
	}
	at := laterEdition.FindSubmatchIndex(f.Content)
	if at == nil {
		return false
	}
	d := diag.Diagnostic{
		Pos:     diag.At(f.Disk, f.Content, at[2]-1),
		Message: fmt.Sprintf("edition value %q not recognized; should be one of [\"2023\"]", f.Content[at[2]:at[3]]),
		Hint:    "svcgen reads editions up to 2023",
	}
	if !slices.Contains(l.list, d) {
		l.list = append(l.list, d)
	}
	return true
}

// noLabel is the hint for a file of proto3 that does not say so.
const noLabel = `start the file with syntax = "proto3"; without it, it is proto2`

// pos is the place of an error, counted in code points: the compiler's own column takes a tab for eight.
func (l *loader) pos(err reporter.ErrorWithPos) diag.Pos {
	at := err.GetPosition()
	f := l.files[at.Filename]
	if f == nil || f.Disk == "" {
		return diag.Pos{File: at.Filename, Line: at.Line, Col: at.Col}
	}
	if at.Line == 0 {
		return diag.Pos{File: f.Disk}
	}
	offset := f.offset(at.Offset)
	if strings.HasSuffix(err.Unwrap().Error(), "expecting ';'") {
		// The parser points to what follows, often on another line; the semicolon is missing here.
		offset = len(bytes.TrimRight(f.Content[:min(offset, len(f.Content))], " \t\r\n"))
	}
	return diag.At(f.Disk, f.Content, offset)
}

// message is an error of the compiler in the form of ours: one line, lower case, no full stop.
func message(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(s, ".")
}

// hint says what to write for errors whose text alone leaves a newcomer at a loss.
func hint(msg string) string {
	switch {
	case strings.Contains(msg, "unknown type"), strings.Contains(msg, "unknown request type"), strings.Contains(msg, "unknown response type"):
		return "declare it, or import the file that does"
	case strings.Contains(msg, "field has no label; proto2 requires"):
		return noLabel
	case strings.Contains(msg, "expecting ';'"):
		return "end the statement with ;"
	}
	return ""
}
