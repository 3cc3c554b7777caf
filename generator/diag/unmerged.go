package diag

import "bytes"

// Marker is one of the lines that git puts around the sides of a merge conflict.
type Marker int

// The markers, in their order. Base is there only with merge.conflictStyle diff3 or zdiff3.
const (
	NoMarker Marker = iota
	OursMarker
	BaseMarker
	TheirsMarker
	EndMarker
)

// MarkerOf says which marker a line is, with or without its end.
func MarkerOf(line []byte) Marker {
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case bytes.HasPrefix(line, []byte("<<<<<<< ")):
		return OursMarker
	case bytes.HasPrefix(line, []byte("||||||| ")):
		return BaseMarker
	case string(line) == "=======":
		return TheirsMarker
	case bytes.HasPrefix(line, []byte(">>>>>>> ")):
		return EndMarker
	default:
		return NoMarker
	}
}

// ConflictMarker returns the line of the first conflict marker that a merge left in a file of any kind, or 0.
func ConflictMarker(src []byte) int {
	line := 0
	for text := range bytes.Lines(src) {
		line++
		if MarkerOf(text) == OursMarker {
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
