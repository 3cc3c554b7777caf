package goedit

import (
	"cmp"
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strconv"
)

// RenameDeclared returns, by path, the edits that give declarations at the top level of one package other names, there
// and wherever the package uses them. A local name that happens to be the same is not one of them, and neither is what
// stands in comments and strings. Tests inside of the package belong to it. Files that do not parse are left out.
func RenameDeclared(pkg string, files map[string][]byte, names map[string]string) map[string][]Edit {
	fset := token.NewFileSet()
	parsed, trees := parseAll(fset, pkg, files)
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	scope := check(pkg, fset, trees, knowing{}, info).Scope()
	edits := map[string][]Edit{}
	for _, f := range parsed {
		declared := f.topLevel()
		ast.Inspect(f.ast, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok || names[id.Name] == "" {
				return true
			}
			obj := info.Uses[id]
			if obj == nil {
				obj = info.Defs[id]
			}
			field, _ := obj.(*types.Var)
			if declared[id] || obj != nil && obj.Parent() == scope || field != nil && field.Embedded() {
				edits[f.Path] = append(edits[f.Path], Edit{f.offset(id.Pos()), f.offset(id.End()), names[id.Name]})
			}
			return true
		})
	}
	return edits
}

// parseAll parses the files of a package, but for those that do not parse.
func parseAll(fset *token.FileSet, pkg string, files map[string][]byte) (parsed []*File, trees []*ast.File) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := parseIn(fset, name, files[name])
		if err == nil && f.ast.Name.Name == pkg {
			parsed, trees = append(parsed, f), append(trees, f.ast)
		}
	}
	return parsed, trees
}

// topLevel are the names that the file declares for its whole package. Build tags allow two of a name.
func (f *File) topLevel() map[*ast.Ident]bool {
	names := map[*ast.Ident]bool{}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name] = d.Recv == nil
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					names[s.Name] = true
				case *ast.ValueSpec:
					for _, id := range s.Names {
						names[id] = true
					}
				}
			}
		}
	}
	return names
}

// TopLevel adds the names that the file declares for its whole package to names.
func (f *File) TopLevel(names map[string]bool) {
	for id, top := range f.topLevel() {
		if top {
			names[id.Name] = true
		}
	}
}

// RenameImports returns the edits that give the imports that are called like one of taken other names, in a file that
// has no names of its own like that.
func (f *File) RenameImports(taken map[string]bool) []Edit {
	used := f.identifiers()
	return f.renameImports(func(spec *ast.ImportSpec) string {
		name := f.nameOf(spec)
		to := name
		for n := 2; taken[to] || to != name && used[to]; n++ {
			to = name + strconv.Itoa(n)
		}
		return to
	})
}

// ImportLike returns the edits that call imports as other does, in a file that has no names of its own like that.
func (f *File) ImportLike(other *File) []Edit {
	names := map[string]string{}
	for _, spec := range other.ast.Imports {
		names[importPath(spec)] = other.nameOf(spec)
	}
	return f.renameImports(func(spec *ast.ImportSpec) string { return cmp.Or(names[importPath(spec)], f.nameOf(spec)) })
}

func (f *File) renameImports(to func(*ast.ImportSpec) string) []Edit {
	var edits []Edit
	renamed := map[string]string{}
	for _, spec := range f.ast.Imports {
		name, now := f.nameOf(spec), to(spec)
		if name == now {
			continue
		}
		renamed[name] = now
		start, end := f.offset(spec.Path.Pos()), f.offset(spec.Path.Pos())
		if spec.Name != nil {
			start = f.offset(spec.Name.Pos())
		}
		edits = append(edits, Edit{start, end, now + " "})
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && renamed[id.Name] != "" {
				edits = append(edits, Edit{f.offset(id.Pos()), f.offset(id.End()), renamed[id.Name]})
			}
		}
		return true
	})
	return edits
}

// RenameSelected returns the edits that make f use other names of the package at importPath.
func (f *File) RenameSelected(importPath string, names map[string]string) []Edit {
	var edits []Edit
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || names[sel.Sel.Name] == "" {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && f.pathOf(id.Name) == importPath {
			edits = append(edits, Edit{f.offset(sel.Sel.Pos()), f.offset(sel.Sel.End()), names[sel.Sel.Name]})
		}
		return true
	})
	return edits
}

// Used is a method that is used: the import path of its package, the type it is declared on, its name.
type Used struct{ Path, Type, Name string }

// MethodsUsed returns, by path and by the offset of the name, the methods that the files of one folder use: those of package pkg and
// of its tests, which may be in pkg_test. Of what they import, only pkg itself is known and those of others, sources by import path.
func MethodsUsed(pkg, path string, files map[string][]byte, others map[string]string) map[string]map[int]Used {
	fset := token.NewFileSet()
	known := knowing{}
	for other, src := range others {
		if f, err := parseIn(fset, other, []byte(src)); err == nil {
			known[other] = check(other, fset, []*ast.File{f.ast}, known, nil)
		}
	}
	used := map[string]map[int]Used{}
	for _, name := range []string{pkg, pkg + "_test"} {
		parsed, trees := parseAll(fset, name, files)
		info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
		checked := check(path, fset, trees, known, info)
		if name == pkg {
			known[path] = checked
		}
		for _, f := range parsed {
			used[f.Path] = f.methods(info)
		}
	}
	return used
}

// methods are the methods that the file uses, by the offset of the name.
func (f *File) methods(info *types.Info) map[int]Used {
	used := map[int]Used{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || info.Selections[sel] == nil {
			return true
		}
		fn, ok := info.Selections[sel].Obj().(*types.Func)
		if !ok || fn.Signature().Recv() == nil {
			return true
		}
		recv := fn.Signature().Recv().Type()
		if p, ok := recv.(*types.Pointer); ok {
			recv = p.Elem()
		}
		if named, ok := types.Unalias(recv).(*types.Named); ok && fn.Pkg() != nil {
			used[f.offset(sel.Sel.Pos())] = Used{fn.Pkg().Path(), named.Obj().Name(), fn.Name()}
		}
		return true
	})
	return used
}

// check checks a package as far as what it imports is known. Its errors are the compiler's to tell; in code that is wrong the type
// checker may panic, and what it has found so far counts.
func check(path string, fset *token.FileSet, files []*ast.File, known knowing, info *types.Info) (pkg *types.Package) {
	defer func() {
		if recover() != nil || pkg == nil {
			pkg = types.NewPackage(path, "")
		}
	}()
	conf := types.Config{Importer: known, FakeImportC: true, Error: func(error) {}}
	pkg, _ = conf.Check(path, fset, files, info)
	return pkg
}

// knowing imports the packages that it has. What a package declares itself is known without.
type knowing map[string]*types.Package

func (k knowing) Import(importPath string) (*types.Package, error) {
	if pkg := k[importPath]; pkg != nil {
		return pkg, nil
	}
	return nil, errors.New(path.Base(importPath) + " is not looked into")
}
