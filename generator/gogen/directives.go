package gogen

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"path"
	"slices"
	"strings"
)

// allowed are the directives that emitted files may carry, by file. Everything else in the form of a directive
// is taken for text of a proto or manifest that got through.
func allowed() []allowance {
	return []allowance{
		{file: "gen/*" + messageSuffix, directives: []string{"//go:build protoopaque", "//go:build !protoopaque"}},
		{file: "internal/gen/admin/status.go", directives: []string{"//go:embed statusz.html"}},
		{file: "migrations/migrations.go", directives: []string{"//go:embed *.sql"}},
		{file: "generate.go", directives: []string{"//go:generate svcgen regen"}},
	}
}

type allowance struct {
	file       string // path, or folder/*suffix for all files below the folder
	directives []string
}

func (a allowance) covers(file string) bool {
	dir, suffix, pattern := strings.Cut(a.file, "*")
	if !pattern {
		return file == a.file
	}
	return strings.HasPrefix(file, dir) && strings.HasSuffix(file, suffix)
}

// CheckDirectives is the last defence against comments of a proto that act: it reports an error when the Go
// source src, which parses and is emitted at path, holds a directive that is not on the list of that file, imports "C", or holds a
// carriage return, which other tools take for a line's end. The comments were neutralised long before.
func CheckDirectives(file string, src []byte) error {
	file = path.Clean(file)
	var list []string
	for _, a := range allowed() {
		if a.covers(file) {
			list = append(list, a.directives...)
		}
	}

	if harmless(src, list) {
		return nil
	}
	fset := token.NewFileSet()
	source := fset.AddFile(file, -1, len(src))
	var bad scanner.ErrorList
	var s scanner.Scanner
	s.Init(source, src, bad.Add, scanner.ScanComments)
	report := func(offset int, text string) {
		bad.Add(source.PositionFor(source.Pos(offset), false), text) // where it is, whatever //line says
	}
	importing := false
	for {
		pos, tok, text := s.Scan()
		switch tok {
		case token.EOF:
			if i := slices.Index(src, '\r'); i >= 0 {
				report(i, "carriage return in generated code")
			}
			bad.Sort()
			return bad.Err()
		case token.COMMENT:
			if acts(text) && !slices.Contains(list, text) {
				report(source.Offset(pos), fmt.Sprintf("directive %.60q in generated code", text))
			}
		case token.IMPORT:
			importing = true
		case token.CONST, token.VAR, token.TYPE, token.FUNC:
			importing = false // imports come first
		case token.STRING:
			if importing && (text == `"C"` || text == "`C`") {
				report(source.Offset(pos), `import "C" in generated code`)
			}
		}
	}
}

// harmless reports whether nothing in src even looks like what CheckDirectives is after. It takes whatever follows //
// or /* for a comment, also in a string: it is many times as fast as a scanner, which is asked where this says no.
func harmless(src []byte, allowed []string) bool {
	if bytes.IndexByte(src, '\r') >= 0 || bytes.Contains(src, []byte(`"C"`)) || bytes.Contains(src, []byte("`C`")) {
		return false
	}
	for rest := src; ; {
		i := bytes.IndexByte(rest, '/')
		if i < 0 || i+1 >= len(rest) {
			return true
		}
		rest = rest[i:]
		if rest[1] == '/' || rest[1] == '*' {
			line, _, _ := bytes.Cut(rest, []byte{'\n'})
			if text := string(line); acts(text) && !slices.Contains(allowed, text) {
				return false
			}
		}
		rest = rest[1:]
	}
}

// acts says whether a comment is more than a comment.
func acts(comment string) bool {
	if text, ok := strings.CutPrefix(comment, "/*"); ok {
		return strings.HasPrefix(text, "line ")
	}
	text := strings.TrimPrefix(comment, "//")
	return isDirective(text) ||
		strings.HasPrefix(text, "line ") ||
		strings.HasPrefix(text, "export ") ||
		strings.HasPrefix(text, "extern ") ||
		strings.HasPrefix(strings.TrimLeft(text, " \t"), "+build")
}

// isDirective says whether the text behind // is what the go command, the compiler or a linter obeys: word:word.
func isDirective(text string) bool {
	tool, rest, ok := strings.Cut(text, ":")
	return ok && tool != "" && strings.Trim(tool, lowerAlnum) == "" && rest != "" && strings.Contains(lowerAlnum, rest[:1])
}

const lowerAlnum = "abcdefghijklmnopqrstuvwxyz0123456789"
