package schema

import "cmp"

// Limits bound what a proto may cost. They are checked before the parser sees a byte, since deep nesting is
// what makes it slow and large.
type Limits struct {
	FileSize    int // bytes of one file
	ClosureSize int // bytes of all files
	Files       int
	ImportDepth int
	Nesting     int // of brackets in a file
}

// The defaults of Limits. Linked-in files do not count.
const (
	DefaultFileSize    = 8 << 20 // over ten thousand methods
	DefaultClosureSize = 64 << 20
	DefaultFiles       = 500
	DefaultImportDepth = 64
	DefaultNesting     = 64
)

func (l Limits) withDefaults() Limits {
	return Limits{
		FileSize:    cmp.Or(l.FileSize, DefaultFileSize),
		ClosureSize: cmp.Or(l.ClosureSize, DefaultClosureSize),
		Files:       cmp.Or(l.Files, DefaultFiles),
		ImportDepth: cmp.Or(l.ImportDepth, DefaultImportDepth),
		Nesting:     cmp.Or(l.Nesting, DefaultNesting),
	}
}

// tooDeep is the offset of the first bracket nested deeper than limit, or -1. Comments and strings do not count.
func tooDeep(src []byte, limit int) int {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '{', '[', '(', '<':
			if depth++; depth > limit {
				return i
			}
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		case '"', '\'':
			i = endOfString(src, i)
		case '/', '#':
			i = endOfComment(src, i)
		}
	}
	return -1
}

// endOfString is the offset of the quote that closes the string starting at i, or of its line's end.
func endOfString(src []byte, i int) int {
	quote := src[i]
	for i++; i < len(src); i++ {
		switch src[i] {
		case quote, '\n':
			return i
		case '\\':
			i++
		}
	}
	return i
}

// endOfComment is the offset of the last byte of the comment starting at i; i itself if none does.
func endOfComment(src []byte, i int) int {
	switch {
	case i+1 >= len(src):
		return i
	case src[i] == '#', src[i+1] == '/':
		for i < len(src) && src[i] != '\n' {
			i++
		}
		return i
	case src[i+1] == '*':
		for i += 2; i+1 < len(src); i++ {
			if src[i] == '*' && src[i+1] == '/' {
				return i + 1
			}
		}
		return len(src)
	}
	return i
}
