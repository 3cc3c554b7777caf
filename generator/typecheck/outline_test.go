package typecheck

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOutline compares outlines with what go/parser makes of the same files: those of this module, and of Go's own packages.
func TestOutline(t *testing.T) {
	files := 0
	root := strings.TrimSpace(string(must(exec.Command("go", "env", "GOROOT").Output())))
	for _, dir := range []string{filepath.Join(root, "src"), "../.."} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && slices.Contains([]string{"testdata", "cmd"}, d.Name()) {
				return fs.SkipDir
			}
			if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
				return err
			}
			src, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
			if err != nil {
				return nil //nolint:nilerr // there are files that are not to parse
			}
			files++
			if got, want := describe(outlineOf(src, true)), describe(parsed(fset, f)); got != want {
				t.Errorf("%s:\n%s\nnot\n%s", name, got, want)
			}
			if head, _ := headOf(src); head.pkg != f.Name.Name || len(head.imports) != len(f.Imports) {
				t.Errorf("%s: package %s, %d imports", name, head.pkg, len(head.imports))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 1000 {
		t.Errorf("only %d files", files)
	}
}

// describe is an outline with each word once, and without keywords.
func describe(o outline) string {
	var b strings.Builder
	_, _ = fmt.Fprintln(&b, o.pkg, o.imports)
	for _, d := range o.decls {
		_, _ = fmt.Fprint(&b, d.start)
		if d.body < d.end {
			_, _ = fmt.Fprint(&b, " ", d.body)
		}
		for _, words := range [][]string{d.declared, d.methods, d.types, d.aliases, d.outer, d.signed, d.inner} {
			words = slices.DeleteFunc(slices.Sorted(slices.Values(words)), token.IsKeyword)
			_, _ = fmt.Fprint(&b, " ", slices.Compact(words))
		}
		_, _ = fmt.Fprintln(&b)
	}
	return b.String()
}

// parsed is the outline of a file by its syntax tree.
func parsed(fset *token.FileSet, f *ast.File) outline {
	o := outline{pkg: f.Name.Name}
	for _, spec := range f.Imports {
		one := imported{}
		one.path, _ = strconv.Unquote(spec.Path.Value)
		if spec.Name != nil {
			one.name = spec.Name.Name
		}
		o.imports = append(o.imports, one)
	}
	offset := func(pos token.Pos) int { return fset.PositionFor(pos, false).Offset }
	for _, parsed := range f.Decls {
		d := decl{start: offset(parsed.Pos())}
		switch parsed := parsed.(type) {
		case *ast.FuncDecl:
			d.outer, d.signed = idents(parsed.Type), idents(parsed.Type)
			name := &d.declared
			if parsed.Recv != nil {
				name = &d.methods
				d.outer = append(d.outer, idents(parsed.Recv)...)
				for _, field := range parsed.Recv.List {
					d.types = append(d.types, idents(field.Type)...)
				}
			}
			*name = idents(parsed.Name)
			if parsed.Body != nil {
				d.body, d.end, d.inner = offset(parsed.Body.Pos()), offset(parsed.Body.End()), idents(parsed.Body)
			}
		case *ast.GenDecl:
			if parsed.Tok == token.IMPORT {
				continue
			}
			d.outer, d.signed = idents(parsed), idents(parsed)
			for _, spec := range parsed.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					d.declared = append(d.declared, idents(spec.Name)...)
					if spec.Assign.IsValid() {
						d.aliases = append(d.aliases, idents(spec.Name)...)
						d.types = append(d.types, idents(spec.Type)...)
						if spec.TypeParams != nil {
							d.types = append(d.types, idents(spec.TypeParams)...)
						}
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						d.declared = append(d.declared, idents(name)...)
					}
				}
			}
		}
		o.decls = append(o.decls, d)
	}
	return o
}

func idents(n ast.Node) []string {
	var words []string
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name != "_" {
			words = append(words, id.Name)
		}
		return true
	})
	return words
}

// TestRead: of a file that is not asked for there is the head, and of one of which too little is there as much as is needed.
func TestRead(t *testing.T) {
	whole := []byte("package p\n\nfunc F() { f() }\n")
	filler := bytes.Repeat([]byte("\n"), Beginning)
	none := slices.Concat([]byte("package p"), filler, whole[len("package p"):])
	c := must(Read("m.test", map[string][]byte{
		"a.go":    whole,
		"gen.go":  whole,
		"cut.go":  slices.Concat(whole, filler)[:Beginning],
		"none.go": none[:Beginning],
	}, func(name string) bool { return name != "gen.go" }, func(string) ([]byte, error) { return none, nil }))
	head, _ := headOf(whole)
	for _, f := range c.files {
		switch o := f.was.outline; f.name {
		case "a.go":
			if describe(o) != describe(outlineOf(whole, true)) || f.parts == nil {
				t.Errorf("a.go is %+v", f)
			}
		case "none.go":
			if f.was.cut || o.pkg != "p" {
				t.Errorf("none.go is %+v", f)
			}
		default:
			if o.whole || describe(o) != describe(head) || f.parts != nil {
				t.Errorf("%s is %+v", f.name, f)
			}
		}
	}
}
