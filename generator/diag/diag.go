// Package diag holds the one form of error a user of svcgen sees about an input file:
// where, what, and what to write instead. It formats; it finds nothing itself.
package diag

// Pos is a place in an input file. Line and Col count from 1; a column counts Unicode code points. Zero means unknown.
type Pos struct {
	File string
	Line int
	Col  int
}

// Diagnostic is one thing wrong with an input.
type Diagnostic struct {
	Pos     Pos
	Message string // lower case, no full stop
	Hint    string // what to write instead; may be empty
	Warning bool   // a warning does not stop the run
}

// List is the error returned by every package that reads input: all diagnostics of a run, sorted by position.
type List []Diagnostic
