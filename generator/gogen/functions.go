package gogen

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

// Where a proto changes, most of its code does not, and to format code takes longer than to print it. So the functions that
// the file of the last run has are taken from there, and only the rest is formatted, with a constant in place of each row of them.
//
// protoc-gen-go prints a function the same way each time, and gofmt sets nothing but blanks in one without comments,
// whatever is around it; fileset.Made has only what this very svcgen made. So what has the tokens and lines of a formatted function
// becomes that function. Of what has comments that is not true: gofmt drops the empty ones and rewrites others, and what it has
// formatted so it formats in another way the next time. TestMade compares the bytes with those that come of formatting all.

// functions are those of a formatted file, by what is left of them without blanks.
type functions map[string][]byte

func functionsOf(formatted []byte) functions {
	all := functions{}
	eachParagraph(formatted, func(bare, text []byte) {
		if isFunction(bare) {
			all[string(bare)] = text
		}
	})
	return all
}

// isFunction reports whether a paragraph is a function, or several, without a comment before the first.
func isFunction(bare []byte) bool {
	return bytes.HasPrefix(bare, []byte("func(")) || bytes.HasPrefix(bare, []byte("func "))
}

// rows are the functions that a file shares with that of the last run, as they are there; a row for each stand-in.
type rows [][]byte

// split takes what last has out of printed: rest has stand-ins for it.
func (last functions) split(printed []byte) (rest []byte, have rows) {
	inRow := false
	eachParagraph(printed, func(bare, text []byte) {
		known, ok := last[string(bare)]
		switch {
		case !ok:
			rest = append(append(rest, text...), "\n\n"...)
		case inRow:
			row := &have[len(have)-1]
			*row = append(append(*row, "\n\n"...), known...)
		default:
			rest = append(append(rest, standIn(len(have))...), '\n')
			have = append(have, bytes.Clone(known))
		}
		inRow = ok
	})
	return rest, have
}

// put puts the rows in the places of their stand-ins in the formatted file.
func (have rows) put(formatted []byte) ([]byte, error) {
	var out []byte
	for i, row := range have {
		before, after, found := bytes.Cut(formatted, []byte(standIn(i)))
		if !found {
			return nil, errNoMarker
		}
		out, formatted = append(append(append(out, before...), row...), '\n'), after
	}
	return append(out, formatted...), nil
}

// standInPrefix begins a declaration that no proto has a name for.
const standInPrefix = "const svcgen_row_"

func standIn(row int) string { return fmt.Sprintf("%s%d = 0\n", standInPrefix, row) }

// eachParagraph calls do with each paragraph of Go source, which is what stands between blank lines that are in no brackets.
// bare, which do does not keep, is that without the blanks that gofmt may set otherwise. go/scanner would be simpler: it takes a
// twelfth of the time of formatting, in place of a seventieth.
func eachParagraph(src []byte, do func(bare, text []byte)) {
	var bare []byte
	from, depth := 0, 0
	end := func(at int) {
		if trimmed := bytes.Trim(bare, "\n"); len(trimmed) > 0 {
			do(trimmed, bytes.Trim(src[from:at], " \t\n"))
		}
		bare = bare[:0]
	}
	for at := 0; at < len(src); {
		stop := at + 1
		switch src[at] {
		case ' ', '\t':
			for stop < len(src) && (src[stop] == ' ' || src[stop] == '\t') {
				stop++
			}
			if len(bare) > 0 && stop < len(src) && kinds[bare[len(bare)-1]] == kinds[src[stop]] && kinds[src[stop]] != other {
				bare = append(bare, ' ') // else two tokens became one
			}
			at = stop
			continue
		case '\n':
			for stop < len(src) && src[stop] == '\n' {
				stop++
			}
			if depth == 0 && stop > at+1 {
				end(at)
				at, from = stop, stop
				continue
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '"', '\'', '`':
			stop = literalEnd(src, at)
		case '/':
			stop = commentEnd(src, at)
		default:
			for kinds[src[at]] == word && stop < len(src) && kinds[src[stop]] == word {
				stop++
			}
		}
		bare = append(bare, src[at:stop]...)
		at = stop
	}
	end(len(src))
}

// literalEnd is behind the string or rune that begins at at.
func literalEnd(src []byte, at int) int {
	quote := src[at]
	for i := at + 1; i < len(src); i++ {
		switch {
		case src[i] == quote:
			return i + 1
		case src[i] == '\\' && quote != '`':
			i++
		}
	}
	return len(src)
}

// commentEnd is behind the comment that begins at at, or the slash that is none.
func commentEnd(src []byte, at int) int {
	rest := src[at:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		return at + len(bytes.TrimRight(line, " \t"))
	case bytes.HasPrefix(rest, []byte("/*")):
		inside, _, _ := bytes.Cut(rest[2:], []byte("*/"))
		return min(at+len("/**/")+len(inside), len(src))
	}
	return at + 1
}

// kind is what a byte can join without a blank between.
type kind int

const (
	other kind = iota
	word
	operator
)

var kinds = func() (kinds [256]kind) {
	for c := range kinds {
		switch {
		case c >= 0x80, c == '_', '0' <= c && c <= '9', 'a' <= c|0x20 && c|0x20 <= 'z':
			kinds[c] = word
		case strings.IndexByte("+-*/%&|^<>=!:.~", byte(c)) >= 0:
			kinds[c] = operator
		}
	}
	return kinds
}()

// takeShared takes out of what was printed to g what is in the file of the last run, and returns that.
func takeShared(g *protogen.GeneratedFile, last []byte) rows {
	buf := printed(g)
	if buf == nil || len(last) == 0 || bytes.Contains(buf.Bytes(), []byte(standInPrefix)) { // a comment of the proto may say that
		return nil
	}
	rest, have := functionsOf(last).split(buf.Bytes())
	*buf = *bytes.NewBuffer(rest)
	return have
}

// printed is the buffer of what was printed to g and is not formatted yet. protogen has no other way to it; in one that keeps
// it elsewhere it is nil, and all is formatted. TestShared tells.
func printed(g *protogen.GeneratedFile) *bytes.Buffer {
	buf := reflect.ValueOf(g).Elem().FieldByName("buf")
	if !buf.IsValid() || buf.Type() != reflect.TypeFor[bytes.Buffer]() {
		return nil
	}
	return (*bytes.Buffer)(buf.Addr().UnsafePointer())
}
