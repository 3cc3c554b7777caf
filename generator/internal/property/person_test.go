package property

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// person works on the files that are a person's, and keeps to what goes on compiling whatever the proto becomes.
type person struct {
	*rand.Rand
	dir     string
	n       int
	touched map[string]bool // Go files that are no stubs any more
}

const mine = "internal/orders"

// work is what somebody does between two regens. It says what.
func (p *person) work(t *testing.T) []string {
	t.Helper()
	var story []string
	for range p.IntN(5) {
		if did := p.workOne(t); did != "" {
			story = append(story, "person: "+did)
		}
	}
	return story
}

func (p *person) workOne(t *testing.T) string {
	if p.IntN(6) == 0 {
		return p.project(t)
	}
	files, err := filepath.Glob(filepath.Join(p.dir, filepath.FromSlash(mine), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	f := p.open(t, pick(p.Rand, files...))
	edits := []struct {
		what string
		do   func(*file) bool
	}{
		{"comments", p.comment},
		{"writes in a body", p.body},
		{"writes in a body", p.body},
		{"adds a helper", p.helper},
		{"renames parameters", p.parameters},
		{"renames the import", p.alias},
		{"formats as they like", p.format},
		{"changes line endings", func(f *file) bool { f.crlf = !f.crlf; return true }},
		{"adds a byte order mark", func(f *file) bool { f.bom = true; return true }},
		{"names results", p.results},
		{"takes the receiver by value", p.value},
		{"adds a field", p.field},
		{"renames the file", p.rename},
		{"splits by build tags", p.tags},
		{"merges two files", func(f *file) bool { return p.merge(t, f, files) }},
		{"deletes the test", p.deleteTest},
	}
	e := pick(p.Rand, edits...)
	was := *f
	if !e.do(f) {
		return ""
	}
	f.save(t)
	if f.text != was.text || f.bom != was.bom || f.crlf != was.crlf || f.name != was.name {
		p.touched[f.rel()] = true
	}
	if f.name == was.name {
		return fmt.Sprintf("%s: %s", e.what, f.rel())
	}
	return fmt.Sprintf("%s: %s, from %s", e.what, f.rel(), path.Base(filepath.ToSlash(was.name)))
}

// project edits or deletes a file that is kept current.
func (p *person) project(t *testing.T) string {
	name := pick(p.Rand, "README.md", "Makefile", "Dockerfile", "compose.yaml", ".env.example", ".gitignore", "deploy/deployment.yaml", ".github/workflows/ci.yml")
	file := filepath.Join(p.dir, filepath.FromSlash(name))
	text, err := os.ReadFile(file)
	if err != nil {
		return "" // it was deleted
	}
	if p.IntN(8) == 0 {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		return "deletes " + name
	}
	lines := strings.SplitAfter(string(text), "\n")
	at := p.IntN(len(lines))
	lines = slices.Insert(lines, at, "# "+p.mark()+"\n")
	if p.IntN(3) == 0 && at+1 < len(lines)-1 { // and drops a line, which may be one that changes
		if !strings.Contains(lines[at+1], "mark-") {
			lines = slices.Delete(lines, at+1, at+2)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	return "writes in " + name
}

func (p *person) mark() string {
	p.n++
	return fmt.Sprintf("mark-%d.", p.n)
}

// file is a Go file somebody has open.
type file struct {
	dir, name string
	bom, crlf bool
	text      string // with \n, without the mark
	fset      *token.FileSet
	ast       *ast.File
	gone      []string // files to remove when it is saved
	more      map[string]string
}

func (p *person) open(t *testing.T, name string) *file {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{dir: p.dir, name: name, more: map[string]string{}}
	f.text, f.bom = strings.CutPrefix(string(src), "\ufeff")
	f.crlf = strings.Contains(f.text, "\r\n")
	f.text = strings.ReplaceAll(f.text, "\r\n", "\n")
	f.fset = token.NewFileSet()
	f.ast, err = parser.ParseFile(f.fset, name, f.text, parser.ParseComments)
	if err != nil {
		t.Fatalf("%v\n%s", err, f.text)
	}
	return f
}

func (f *file) rel() string {
	rel, err := filepath.Rel(f.dir, f.name)
	if err != nil {
		return f.name
	}
	return filepath.ToSlash(rel)
}

func (f *file) save(t *testing.T) {
	t.Helper()
	f.more[f.name] = f.text
	for name, text := range f.more {
		if f.crlf {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		if f.bom {
			text = "\ufeff" + text
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range f.gone {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *file) at(pos token.Pos) int { return f.fset.Position(pos).Offset }

// cut replaces bytes; several at once go from the end to the beginning.
func (f *file) cut(from, to int, with string) { f.text = f.text[:from] + with + f.text[to:] }

func (f *file) methods() []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Body != nil && len(fn.Recv.List[0].Names) == 1 {
			list = append(list, fn)
		}
	}
	return list
}

func (p *person) comment(f *file) bool {
	decl := pick(p.Rand, f.ast.Decls...)
	at := f.at(decl.Pos())
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil {
			at = f.at(d.Doc.Pos())
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			at = f.at(d.Doc.Pos())
		}
	}
	if p.IntN(3) == 0 {
		at = len(f.text)
	}
	f.cut(at, at, pick(p.Rand,
		"\n// "+p.mark()+" func (s *S2Service) Place4(ctx context.Context)\n\n",
		"\n/* "+p.mark()+" */\n\n",
		"\n// é "+p.mark()+"   \n\n\n",
	))
	return true
}

func (p *person) body(f *file) bool {
	list := f.methods()
	if len(list) == 0 {
		return false
	}
	at := f.at(pick(p.Rand, list...).Body.Lbrace) + 1
	f.cut(at, at, pick(p.Rand,
		"\n\t_ = \"func (s *S2Service) Place4(\" // "+p.mark()+"\n",
		"\n\t/* "+p.mark()+" { */\n",
		"\n\tfunc() { _ = `"+p.mark()+"` }()\n",
		"  // "+p.mark()+"\n",
	))
	return true
}

func (p *person) helper(f *file) bool {
	f.text = strings.TrimRight(f.text, "\n") + fmt.Sprintf("\nfunc helper%d( s string )string { // %s\n  return s }\n", p.n, p.mark())
	return true
}

func (p *person) parameters(f *file) bool {
	list := f.methods()
	if len(list) == 0 {
		return false
	}
	fn := pick(p.Rand, list...)
	names := map[*ast.Object]string{} //nolint:staticcheck // of the parameters of one function they are right
	for i, fields := range []*ast.FieldList{fn.Recv, fn.Type.Params} {
		for j, field := range fields.List {
			for _, name := range field.Names {
				if name.Name != "_" && name.Obj != nil {
					names[name.Obj] = pick(p.Rand, "in", "self", "arg", "ä", "stream") + fmt.Sprint(i, j, p.n)
				}
			}
		}
	}
	p.n++
	var found []*ast.Ident
	ast.Inspect(fn, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Obj != nil && names[id.Obj] != "" {
			found = append(found, id)
		}
		return true
	})
	for _, id := range slices.Backward(found) {
		f.cut(f.at(id.Pos()), f.at(id.End()), strings.ReplaceAll(names[id.Obj], " ", "_"))
	}
	return len(found) > 0
}

// messages is the import of the generated messages.
func (f *file) messages() (*ast.ImportSpec, string) {
	for _, spec := range f.ast.Imports {
		where, err := strconv.Unquote(spec.Path.Value)
		if err == nil && strings.HasPrefix(where, "example.com/orders/gen/") && spec.Name != nil {
			return spec, spec.Name.Name
		}
	}
	return nil, ""
}

func (p *person) alias(f *file) bool {
	spec, old := f.messages()
	if spec == nil || old == "_" || old == "." {
		return false
	}
	p.n++
	now := fmt.Sprintf("pb%d", p.n)
	var found []*ast.Ident
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == old && id.Obj == nil {
				found = append(found, id)
			}
		}
		return true
	})
	for _, id := range slices.Backward(found) {
		f.cut(f.at(id.Pos()), f.at(id.End()), now)
	}
	f.cut(f.at(spec.Name.Pos()), f.at(spec.Name.End()), now)
	return true
}

func (p *person) format(f *file) bool {
	list := f.methods()
	if len(list) == 0 {
		return false
	}
	fn := pick(p.Rand, list...)
	at := f.at(fn.Type.Params.Opening) + 1
	f.cut(at, at, pick(p.Rand, "  ", " \t", "\n\t\t", "/* "+p.mark()+" */"))
	if at := f.at(fn.Pos()); p.IntN(2) == 0 {
		f.cut(at, at, "\n\n\n")
	}
	return true
}

func (p *person) results(f *file) bool {
	for _, fn := range f.methods() {
		if res := fn.Type.Results; res != nil && len(res.List) == 2 && len(res.List[0].Names) == 0 {
			f.cut(f.at(res.List[1].Pos()), f.at(res.List[1].Pos()), "_ ")
			f.cut(f.at(res.List[0].Pos()), f.at(res.List[0].Pos()), "_ ")
			return true
		}
	}
	return false
}

func (p *person) value(f *file) bool {
	for _, fn := range f.methods() {
		if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok {
			f.cut(f.at(star.Star), f.at(star.Star)+1, "")
			return true
		}
	}
	return false
}

func (p *person) field(f *file) bool {
	for _, d := range f.ast.Decls {
		if gen, ok := d.(*ast.GenDecl); ok && gen.Tok == token.TYPE {
			if typ, ok := gen.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType); ok {
				at := f.at(typ.Fields.Opening) + 1
				mark := p.mark()
				f.cut(at, at, fmt.Sprintf("\n  own%d   int // %s\n", p.n, mark))
				return true
			}
		}
	}
	return false
}

func (p *person) rename(f *file) bool {
	if len(f.methods()) == 0 {
		return false
	}
	p.n++
	f.gone = append(f.gone, f.name)
	delete(p.touched, f.rel())
	f.name = filepath.Join(filepath.Dir(f.name), fmt.Sprintf("moved%d.go", p.n))
	return true
}

func (p *person) tags(f *file) bool {
	if len(f.methods()) == 0 || strings.Contains(f.text, "//go:build") || strings.Contains(f.text, "\ntype ") || strings.Contains(f.text, "mark-") {
		return false
	}
	p.n++
	other := filepath.Join(filepath.Dir(f.name), fmt.Sprintf("elsewhere%d.go", p.n))
	f.more[other] = "//go:build !linux\n\n" + f.text
	f.text = "//go:build linux\n\n" + f.text
	rel, err := filepath.Rel(f.dir, other)
	if err != nil {
		return false
	}
	p.touched[filepath.ToSlash(rel)] = true
	return true
}

// merge takes the declarations of another file into this one.
func (p *person) merge(t *testing.T, f *file, files []string) bool {
	g := p.open(t, pick(p.Rand, files...))
	if g.name == f.name || strings.Contains(f.text+g.text, "//go:build") || len(f.ast.Imports) == 0 || len(f.methods()) == 0 || len(g.methods()) == 0 {
		return false
	}
	block, ok := f.ast.Decls[0].(*ast.GenDecl)
	if !ok || !block.Lparen.IsValid() || len(g.ast.Decls) == 0 {
		return false
	}
	named := func(spec *ast.ImportSpec) string {
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(strings.Trim(spec.Path.Value, `"`))
	}
	have := map[string]string{}
	for _, spec := range f.ast.Imports {
		have[named(spec)] = spec.Path.Value
	}
	var add string
	for _, spec := range g.ast.Imports {
		switch have[named(spec)] {
		case spec.Path.Value:
		case "":
			add += "\t" + named(spec) + " " + spec.Path.Value + "\n"
		default:
			return false
		}
	}
	rest := 0
	for _, d := range g.ast.Decls {
		if gen, ok := d.(*ast.GenDecl); ok && gen.Tok == token.IMPORT {
			rest = g.at(gen.End())
		}
	}
	if head := g.text[:rest]; strings.Contains(head, "mark-") {
		return false
	}
	f.text = strings.TrimRight(f.text, "\n") + "\n" + g.text[rest:]
	at := f.at(block.Lparen) + 1
	f.cut(at, at, "\n"+add)
	f.gone = append(f.gone, g.name)
	delete(p.touched, g.rel())
	return true
}

func (p *person) deleteTest(f *file) bool {
	test := strings.TrimSuffix(f.name, ".go") + "_test.go"
	if _, err := os.Stat(test); err != nil || strings.HasSuffix(test, "deps_test.go") {
		return false
	}
	f.gone = append(f.gone, test)
	return true
}
