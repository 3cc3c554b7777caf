package diag

import "bytes"

// ConflictMarker returns the line of the first conflict marker that a merge left in a file of any kind, or 0.
func ConflictMarker(src []byte) int {
	line := 0
	for text := range bytes.Lines(src) {
		line++
		if bytes.HasPrefix(text, []byte("<<<<<<< ")) {
			return line
		}
	}
	return 0
}

// Unmerged is what to say of a file that cannot be read since a merge left a conflict in it.
func Unmerged(file string, src []byte) (Diagnostic, bool) {
	line := ConflictMarker(src)
	return Diagnostic{
		Pos: Pos{File: file, Line: line, Col: 1}, Message: "a merge conflict is left in this file",
		Hint: "resolve it, then run svcgen regen again",
	}, line > 0
}
