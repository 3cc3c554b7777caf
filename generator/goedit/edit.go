package goedit

import (
	"errors"
	"go/ast"
	"regexp"
	"slices"
)

// Type is a Go type as a method signature needs it: [Star]Import.Name[Args…].
type Type struct {
	Star  bool
	Path  string // import path; empty for a predeclared type
	Alias string // how to name the import where the file has none yet
	Name  string
	Args  []Type
	Also  []Type // aliases of it, which a file may use as well
}

// Signature is what a method has to look like; how its parameters are called is the user's business.
type Signature struct{ Params, Results []Type }

// Edit replaces Src[Start:End] by New.
type Edit struct {
	Start, End int
	New        string
}

// Apply returns src with the edits made. They must not overlap.
func Apply(src []byte, edits []Edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, src[at:e.Start]...)
		out = append(out, e.New...)
		at = e.End
	}
	return append(out, src[at:]...)
}

// Fits reports whether the method already has signature want.
func (m Method) Fits(want Signature) bool {
	edits, err := m.Retype(want)
	return err == nil && len(edits) == 0
}

// Alike reports whether the method differs from signature want in its messages at most, and so is streamed the same way.
func (m Method) Alike(want Signature) bool {
	if _, err := m.Retype(want); err != nil {
		return false
	}
	for i, expr := range flatten(m.decl.Type.Params) {
		f, expr := m.File.meaning(expr)
		base, args := instance(expr)
		t := want.Params[i]
		if len(args) != len(t.Args) || len(args) > 0 && !f.matches(base, Type{Path: t.Path, Name: t.Name}) {
			return false
		}
	}
	return true
}

// ErrShape says that a method has another number of parameters or results than wanted, as after a change of
// its streaming kind: no edit of types can make it fit.
var ErrShape = errors.New("the number of parameters or results differs")

// Retype returns the edits that give the method the types of want: only type expressions that differ are
// replaced, imports are used under the name the file has for them, and added where it has none.
func (m Method) Retype(want Signature) ([]Edit, error) {
	params, results := flatten(m.decl.Type.Params), flatten(m.decl.Type.Results)
	if len(params) != len(want.Params) || len(results) != len(want.Results) {
		return nil, ErrShape
	}
	names := newImports(m.File)
	var edits []Edit
	replace := func(have []ast.Expr, want []Type) error {
		done := map[ast.Expr]Type{}
		for i, expr := range have {
			if earlier, shared := done[expr]; shared {
				if names.spell(earlier) != names.spell(want[i]) {
					return ErrShape // a, b T: one expression cannot become two types
				}
				continue
			}
			done[expr] = want[i]
			edits = append(edits, names.fit(expr, want[i])...)
		}
		return nil
	}
	if err := replace(params, want.Params); err != nil {
		return nil, err
	}
	if err := replace(results, want.Results); err != nil {
		return nil, err
	}
	return append(edits, names.edits()...), nil
}

// Spell returns the edits that write what its parameters call by one of the aliases as t, for when those go.
func (m Method) Spell(aliases []Type, t Type) []Edit {
	names := newImports(m.File)
	var edits []Edit
	for _, expr := range flatten(m.decl.Type.Params) {
		if slices.ContainsFunc(aliases, func(a Type) bool { return m.File.matches(expr, a) }) {
			edits = append(edits, Edit{m.File.offset(expr.Pos()), m.File.offset(expr.End()), names.spell(t)})
		}
	}
	return append(edits, names.edits()...)
}

// Unary reports whether the method answers as one that is not streamed: with a message and an error.
func (m Method) Unary() bool { return len(flatten(m.decl.Type.Results)) == 2 }

// Doc is the comment above the method, a line break where it has one.
func (m Method) Doc() string { return m.decl.Doc.Text() }

// Rename returns the edit that gives the method another name.
func (m Method) Rename(name string) Edit {
	return Edit{m.File.offset(m.decl.Name.Pos()), m.File.offset(m.decl.Name.End()), name}
}

// MoveTo returns the edit that makes it a method of another type of the package. How its receiver is called, and
// whether it is a pointer, stays.
func (m Method) MoveTo(recv string) []Edit {
	if m.decl.Recv == nil || len(m.decl.Recv.List) == 0 {
		return nil
	}
	var edits []Edit
	ast.Inspect(m.decl.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && edits == nil {
			edits = []Edit{{m.File.offset(id.Pos()), m.File.offset(id.End()), recv}}
		}
		return true
	})
	return edits
}

// flatten lists the type of every parameter; parameters that share a type share its expression.
func flatten(list *ast.FieldList) []ast.Expr {
	if list == nil {
		return nil
	}
	var out []ast.Expr
	for _, field := range list.List {
		for range max(1, len(field.Names)) {
			out = append(out, field.Type)
		}
	}
	return out
}

// meaning is what expr stands for where it is an alias of the package's, in the words of the file that says so. One that is
// declared twice, as build tags allow, stands for itself.
func (f *File) meaning(expr ast.Expr) (*File, ast.Expr) {
	for range f.stands { // which may be a circle, in code that does not compile
		id, ok := ast.Unparen(expr).(*ast.Ident)
		if !ok || len(f.stands[id.Name]) != 1 {
			break
		}
		is := f.stands[id.Name][0]
		f, expr = is.file, is.expr
	}
	return f, expr
}

// matches reports whether expr is the type t under the names of this file and the aliases of its package.
func (f *File) matches(expr ast.Expr, t Type) bool {
	if slices.ContainsFunc(t.Also, func(alias Type) bool { return f.matches(expr, alias) }) {
		return true
	}
	if p, ok := expr.(*ast.ParenExpr); ok {
		return f.matches(p.X, t)
	}
	f, expr = f.meaning(expr)
	if star, ok := expr.(*ast.StarExpr); ok != t.Star {
		return false
	} else if ok {
		f, expr = f.meaning(star.X)
	}
	expr, args := instance(expr)
	if len(args) != len(t.Args) {
		return false
	}
	for i, arg := range args {
		if !f.matches(arg, t.Args[i]) {
			return false
		}
	}
	switch e := expr.(type) {
	case *ast.Ident: // of this package, predeclared, or from a dot import
		return e.Name == t.Name && (t.Path == "" || f.dotImports(t.Path))
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		return ok && e.Sel.Name == t.Name && f.pathOf(pkg.Name) == t.Path
	}
	return false
}

// instance is the generic type that expr is an instance of, and its type arguments; expr itself where there are none.
func instance(expr ast.Expr) (of ast.Expr, args []ast.Expr) {
	switch e := expr.(type) {
	case *ast.IndexExpr:
		return e.X, []ast.Expr{e.Index}
	case *ast.IndexListExpr:
		return e.X, e.Indices
	}
	return expr, nil
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// RenameTest returns the edits that let the test of a method follow it to another name or type: calls x.Old become
// x.New where calls says so of the offset of the name, New<Type>(…).Old is made by the new type's, and the function Test<Type>_Old is
// called after it.
func (f *File) RenameTest(fromType, from, toType, to string, calls func(offset int) bool) []Edit {
	var edits []Edit
	rename := func(id *ast.Ident, name string) {
		if id.Name != name {
			edits = append(edits, Edit{f.offset(id.Pos()), f.offset(id.End()), name})
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			makes := called(n.X)
			made := makes != nil && makes.Name == "New"+fromType
			if n.Sel.Name != from || !made && !calls(f.offset(n.Sel.Pos())) {
				return true
			}
			rename(n.Sel, to)
			if made {
				rename(makes, "New"+toType)
			}
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "Test"+fromType+"_"+from {
				rename(n.Name, "Test"+toType+"_"+to)
			}
		}
		return true
	})
	return edits
}

// called is the name of the function of this package that is called; nil where expr is anything else.
func called(expr ast.Expr) *ast.Ident {
	call, ok := expr.(*ast.CallExpr)
	if !ok {
		return nil
	}
	id, _ := call.Fun.(*ast.Ident)
	return id
}
