// Package goedit finds declarations in a user's Go files and edits them byte by byte. What it does not edit
// stays as it is: comments, line endings, odd formatting. It never prints a syntax tree back, knows nothing of other
// packages, and ignores build constraints: a method behind a build tag exists.
package goedit

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
)

// Package is the parsed Go files of one folder, tests and files of another package clause left out.
type Package struct {
	files   []*File
	aliases map[string]string // of a type of the package that is another name for one: that one
}

// File is one parsed Go file.
type File struct {
	Path   string
	Src    []byte
	fset   *token.FileSet
	ast    *ast.File
	beside map[string]bool    // what the package declares: no import may be called like that
	stands map[string][]meant // the aliases that the package declares

	packages map[string]string
}

// meant is the type that an alias of the package stands for, in the words of the file that says so.
type meant struct {
	file *File
	expr ast.Expr
}

// Know tells what packages are called, by import path, for imports that do not say it. Their paths leave it to be guessed.
func (f *File) Know(packages map[string]string) { f.packages = packages }

// Parse reads the Go files of one folder, keyed by path, that belong to package name, or to any if that is empty. A
// file that does not parse is reported at its position: nothing may be decided about a package that cannot be read.
func Parse(name string, files map[string][]byte) (*Package, diag.List) {
	return new(Parser).Parse(name, files)
}

// Parser parses packages of which most files are what they were in the one before.
type Parser struct{ files map[string]*File }

// Parse is the function Parse.
func (p *Parser) Parse(name string, files map[string][]byte) (*Package, diag.List) {
	pkg := &Package{aliases: map[string]string{}}
	declared, stands := map[string]bool{}, map[string][]meant{}
	var errs diag.List
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := p.file(path, files[path])
		switch {
		case err != nil:
			errs = append(errs, *err)
		case f.ast.Name.Name == name || name == "":
			f.beside, f.stands = declared, stands
			pkg.files = append(pkg.files, f)
			maps.Copy(pkg.aliases, f.aliases())
			f.TopLevel(declared)
			for _, spec := range f.aliasSpecs() {
				stands[spec.Name.Name] = append(stands[spec.Name.Name], meant{f, spec.Type})
			}
		}
	}
	return pkg, errs
}

// file parses a file that is not what it was.
func (p *Parser) file(path string, src []byte) (*File, *diag.Diagnostic) {
	if f := p.files[path]; f != nil && bytes.Equal(f.Src, src) {
		return f, nil
	}
	f, err := parse(path, src)
	if err != nil {
		return nil, err
	}
	if p.files == nil {
		p.files = map[string]*File{}
	}
	p.files[path] = f
	return f, nil
}

// Same is the type that a name of the package stands for: its own, or the one it is an alias of.
func (p *Package) Same(name string) string {
	for range p.aliases { // which may be a circle, in code that does not compile
		of, ok := p.aliases[name]
		if !ok {
			break
		}
		name = of
	}
	return name
}

// Files are the files of the package, sorted by path.
func (p *Package) Files() []*File { return slices.Clone(p.files) }

// ParseFile reads one Go file of any package, a test too.
func ParseFile(path string, src []byte) (*File, diag.List) {
	f, err := parse(path, src)
	if err != nil {
		return nil, diag.List{*err}
	}
	return f, nil
}

func parse(path string, src []byte) (*File, *diag.Diagnostic) {
	return parseIn(token.NewFileSet(), path, src)
}

func parseIn(fset *token.FileSet, path string, src []byte) (*File, *diag.Diagnostic) {
	tree, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err == nil {
		return &File{Path: path, Src: src, fset: fset, ast: tree}, nil
	}
	d := &diag.Diagnostic{Pos: diag.Pos{File: path, Line: 1, Col: 1}, Message: err.Error()}
	var list scanner.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		// What is missing at the end of a file is missing on its last line, not on the empty one behind it.
		d.Pos = diag.At(path, src, min(list[0].Pos.Offset, len(bytes.TrimRight(src, "\r\n"))))
		d.Message = list[0].Msg
	}
	d.Hint = "svcgen changes nothing while a file of this package does not parse"
	if unmerged, ok := diag.Unmerged(path, src); ok {
		d = &unmerged
	}
	return nil, d
}

// Method is one declaration of a method. Build tags allow several of the same name.
type Method struct {
	File *File
	decl *ast.FuncDecl
}

// Pos is where the method's name stands.
func (m Method) Pos() diag.Pos { return m.File.pos(m.decl.Name.Pos()) }

// Methods returns the declarations of method name on type recv, in any file, with any receiver name, by value
// or by pointer, under whichever name the package has for the type.
func (p *Package) Methods(recv, name string) []Method {
	var found []Method
	recv = p.Same(recv)
	for _, f := range p.files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == name && p.Same(receiver(fn)) == recv {
				found = append(found, Method{f, fn})
			}
		}
	}
	return found
}

// Promoted is a type of another package whose methods a type of this one has.
type Promoted struct{ Path, Name string }

// HasMethod reports whether a value of type recv has method name: declared on it, or promoted from a type of
// this package that it embeds. Types of other packages that it embeds are listed as elsewhere: whether those have it
// is not known here.
func (p *Package) HasMethod(recv, name string) (has bool, elsewhere []Promoted) {
	type look struct {
		recv    string
		methods bool // its own too, and not only what it embeds
	}
	seen := map[look]bool{}
	var visit func(at look) bool
	visit = func(at look) bool {
		if seen[at] {
			return false
		}
		seen[at] = true
		if at.methods && len(p.Methods(at.recv, name)) > 0 {
			return true
		}
		for _, f := range p.files {
			for _, spec := range f.types(at.recv) {
				if declaresMethod(spec, name) {
					return true
				}
				if of := madeOf(spec); of != "" && visit(look{of, false}) {
					return true
				}
				for _, t := range promoting(spec) {
					own := typeName(t)
					if own != "" && visit(look{own, true}) {
						return true
					}
					elsewhere = append(elsewhere, f.promoted(t, own != "" && !p.HasType(own))...)
				}
			}
		}
		return false
	}
	return visit(look{recv, true}), elsewhere
}

// madeOf is the type of this package that a declared one has its fields from, but not the methods; empty where it
// lists its own fields.
func madeOf(spec *ast.TypeSpec) string {
	if _, pointer := spec.Type.(*ast.StarExpr); pointer || spec.Assign.IsValid() {
		return ""
	}
	return typeName(spec.Type)
}

// declaresMethod reports whether an interface lists the method.
func declaresMethod(spec *ast.TypeSpec, name string) bool {
	t, ok := spec.Type.(*ast.InterfaceType)
	return ok && slices.ContainsFunc(t.Methods.List, func(field *ast.Field) bool {
		return slices.ContainsFunc(field.Names, func(id *ast.Ident) bool { return id.Name == name })
	})
}

// promoting are the types whose methods the declared one has: those it embeds, and the one it is an alias of.
func promoting(spec *ast.TypeSpec) []ast.Expr {
	var fields *ast.FieldList
	switch t := spec.Type.(type) {
	case *ast.StructType:
		fields = t.Fields
	case *ast.InterfaceType:
		fields = t.Methods
	default:
		if spec.Assign.IsValid() {
			return []ast.Expr{t}
		}
		return nil
	}
	var list []ast.Expr
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			list = append(list, field.Type)
		}
	}
	return list
}

// promoted are the types of other packages that t may be: one that is named with its package or, where this package has
// no type of that name, any that a dot import may bring.
func (f *File) promoted(t ast.Expr, dotted bool) []Promoted {
	switch t := t.(type) {
	case *ast.StarExpr:
		return f.promoted(t.X, dotted)
	case *ast.ParenExpr:
		return f.promoted(t.X, dotted)
	case *ast.IndexExpr:
		return f.promoted(t.X, dotted)
	case *ast.IndexListExpr:
		return f.promoted(t.X, dotted)
	case *ast.SelectorExpr:
		if pkg, ok := t.X.(*ast.Ident); ok {
			return []Promoted{{f.pathOf(pkg.Name), t.Sel.Name}}
		}
	case *ast.Ident:
		var list []Promoted
		for _, spec := range f.ast.Imports {
			if dotted && spec.Name != nil && spec.Name.Name == "." {
				list = append(list, Promoted{importPath(spec), t.Name})
			}
		}
		return list
	}
	return nil
}

// HasType reports whether the package declares a type of that name.
func (p *Package) HasType(name string) bool {
	return slices.ContainsFunc(p.files, func(f *File) bool { return len(f.types(name)) > 0 })
}

// TypePos is where the package declares a type of that name.
func (p *Package) TypePos(name string) (pos diag.Pos, ok bool) {
	for _, f := range p.files {
		for _, spec := range f.types(name) {
			return f.pos(spec.Name.Pos()), true
		}
	}
	return diag.Pos{}, false
}

// Borrowed is where the package makes name an alias of a type of another package, and what of. Go lets no method be
// declared on that.
func (p *Package) Borrowed(name string) (pos diag.Pos, of string, ok bool) {
	name = p.Same(name)
	for _, f := range p.files {
		for _, spec := range f.types(name) {
			_, elsewhere := ast.Unparen(spec.Type).(*ast.SelectorExpr)
			if own := typeName(spec.Type); spec.Assign.IsValid() && (elsewhere || own != "" && !p.HasType(own)) {
				return f.pos(spec.Name.Pos()), string(f.Src[f.offset(spec.Type.Pos()):f.offset(spec.Type.End())]), true
			}
		}
	}
	return diag.Pos{}, "", false
}

// Declared is a type, a function or, with the type of its receiver, a method.
type Declared struct{ Recv, Name string }

// Declares are the types, functions and methods of the file.
func (f *File) Declares() []Declared {
	var list []Declared
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			list = append(list, Declared{receiver(d), d.Name.Name})
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok {
					list = append(list, Declared{"", spec.Name.Name})
				}
			}
		}
	}
	return list
}

// Package is the name in the file's package clause.
func (f *File) Package() string { return f.ast.Name.Name }

// Mentions reports whether the name occurs in the file, whatever it stands for there.
func (f *File) Mentions(name string) bool { return f.identifiers()[name] }

func (f *File) types(name string) []*ast.TypeSpec {
	var found []*ast.TypeSpec
	for _, d := range f.ast.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, s := range gen.Specs {
			if spec, ok := s.(*ast.TypeSpec); ok && spec.Name.Name == name {
				found = append(found, spec)
			}
		}
	}
	return found
}

// aliases are the other names that the file has for types of its package.
func (f *File) aliases() map[string]string {
	names := map[string]string{}
	for _, spec := range f.aliasSpecs() {
		if of := typeName(spec.Type); of != "" {
			names[spec.Name.Name] = of
		}
	}
	return names
}

func (f *File) aliasSpecs() []*ast.TypeSpec {
	var found []*ast.TypeSpec
	for _, d := range f.ast.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, s := range gen.Specs {
			if spec, ok := s.(*ast.TypeSpec); ok && spec.Assign.IsValid() {
				found = append(found, spec)
			}
		}
	}
	return found
}

// Generics adds the names that the file has for generic types of its package with type arguments, each with what a method has for its
// receiver then: service[_] for type OrderService = service[int]. Go lets no method be declared under such a name.
func (f *File) Generics(names map[string]string) {
	for name, of := range f.aliases() {
		for _, spec := range f.types(name) {
			switch t := ast.Unparen(spec.Type).(type) {
			case *ast.IndexExpr:
				names[name] = of + "[_]"
			case *ast.IndexListExpr:
				names[name] = of + "[_" + strings.Repeat(", _", len(t.Indices)-1) + "]"
			}
		}
	}
}

// receiver is the type name of fn's receiver; empty for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	return typeName(fn.Recv.List[0].Type)
}

// typeName is the name of a type of this package behind pointers, parentheses and type arguments; empty for
// any other type.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.ParenExpr:
		return typeName(t.X)
	case *ast.IndexExpr:
		return typeName(t.X)
	case *ast.IndexListExpr:
		return typeName(t.X)
	}
	return ""
}

// Pos is the place of an offset, whatever //line says.
func (f *File) Pos(offset int) diag.Pos { return diag.At(f.Path, f.Src, offset) }

func (f *File) pos(p token.Pos) diag.Pos { return f.Pos(f.offset(p)) }

func (f *File) offset(p token.Pos) int { return f.fset.PositionFor(p, false).Offset }

// importPath is the path of an import spec.
func importPath(spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return ""
	}
	return path
}

// HasMember reports whether type recv has a method or a field of that name, so that no method can get it.
func (p *Package) HasMember(recv, name string) bool {
	if has, _ := p.HasMethod(recv, name); has {
		return true
	}
	for _, f := range p.files {
		for _, spec := range f.types(recv) {
			t, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range t.Fields.List {
				if slices.ContainsFunc(field.Names, func(id *ast.Ident) bool { return id.Name == name }) {
					return true
				}
				if len(field.Names) == 0 && typeName(field.Type) == name {
					return true
				}
			}
		}
	}
	return false
}
