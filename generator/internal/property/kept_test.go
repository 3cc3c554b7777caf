package property

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/reconcile"
)

var (
	marks  = regexp.MustCompile(`(?m)^.*mark-\d+\..*$`)
	marked = regexp.MustCompile(`mark-\d+\.`)
)

// yours reports whether a file is none of svcgen's.
func yours(name string) bool {
	return !strings.HasPrefix(name, "gen/") && !strings.HasPrefix(name, "internal/gen/") && !strings.HasPrefix(name, ".svcgen/") && name != "svcgen.lock"
}

// compare is the promise about the person's lines that a run did not keep.
func (p *person) compare(before, after map[string]string) string {
	was, is := map[string]int{}, map[string]int{}
	for name, text := range before {
		if !yours(name) {
			continue
		}
		a, b := lines(name, text), lines(name, after[name])
		if !slices.Equal(a, b) {
			return fmt.Sprintf("%s: the lines %q became %q", name, a, b)
		}
		for _, line := range a {
			was[line]++
		}
		made := strings.Contains(before[reconcile.LockName], reconcile.Hash([]byte(text))) // an edit and its opposite
		if p.touched[name] && !made {
			if a, b := rest(text), rest(after[name]); a != b {
				return fmt.Sprintf("%s changed outside of signatures and imports:\n%s\n-- became --\n%s", name, a, b)
			}
			if crlf := strings.Count(after[name], "\r\n"); crlf > 0 && crlf != strings.Count(after[name], "\n") {
				return name + ": line endings are mixed"
			}
		}
	}
	for name, text := range after {
		if yours(name) {
			for _, line := range lines(name, text) {
				is[line]++
			}
		}
	}
	if !maps.Equal(was, is) {
		return fmt.Sprintf("lines that were there %v times are there %v times", was, is)
	}
	return ""
}

// lines are those a person wrote. In a Go file a mark may stand behind a signature, which follows the proto; the bytes
// around it are compared by rest.
func lines(name, text string) []string {
	if strings.HasSuffix(name, ".go") {
		return marked.FindAllString(text, -1)
	}
	return marks.FindAllString(text, -1)
}

// rest is a Go file without what regen may change in it: signatures of methods, and imports.
func rest(text string) string {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", text, parser.ParseComments)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	from := 0
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || d.Body == nil {
				continue
			}
			b.WriteString(text[from:fset.Position(d.Pos()).Offset])
			from = fset.Position(d.Body.Lbrace).Offset
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				b.WriteString(text[from:fset.Position(d.Pos()).Offset])
				from = fset.Position(d.End()).Offset
			}
		}
	}
	return b.String() + text[from:]
}
