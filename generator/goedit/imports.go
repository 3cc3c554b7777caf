package goedit

import (
	"cmp"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
)

// Import is where f imports path; ok is false when it does not.
func (f *File) Import(path string) (pos diag.Pos, ok bool) {
	for _, spec := range f.ast.Imports {
		if importPath(spec) == path {
			return f.pos(spec.Pos()), true
		}
	}
	return diag.Pos{}, false
}

// MayImport reports whether f imports a package that may be the one in folder, which is relative to its module's, wherever
// that is.
func (f *File) MayImport(folder string) bool {
	return folder == "." || slices.ContainsFunc(f.ast.Imports, func(spec *ast.ImportSpec) bool {
		return strings.HasSuffix("/"+importPath(spec), "/"+folder)
	})
}

// ReplaceImport returns the edits that make f import to wherever it imports from. The name the file uses
// stays, so its body goes on compiling.
func (f *File) ReplaceImport(from, to string) []Edit {
	var edits []Edit
	for _, spec := range f.ast.Imports {
		if importPath(spec) != from {
			continue
		}
		text := strconv.Quote(to)
		if spec.Name == nil && f.nameOf(spec) != cmp.Or(f.packages[to], packageName(to)) {
			text = f.nameOf(spec) + " " + text
		}
		edits = append(edits, Edit{f.offset(spec.Path.Pos()), f.offset(spec.Path.End()), text})
	}
	return edits
}

// RebaseImports returns the edits that make f import from module to what it imports from module from.
func (f *File) RebaseImports(from, to string) []Edit {
	var edits []Edit
	done := map[string]bool{} // a file may import a package twice
	for _, spec := range f.ast.Imports {
		rest, ours := strings.CutPrefix(importPath(spec), from)
		if ours && (rest == "" || rest[0] == '/') && !done[rest] {
			done[rest] = true
			edits = append(edits, f.ReplaceImport(from+rest, to+rest)...)
		}
	}
	return edits
}

func (f *File) dotImports(path string) bool {
	return slices.ContainsFunc(f.ast.Imports, func(s *ast.ImportSpec) bool {
		return s.Name != nil && s.Name.Name == "." && importPath(s) == path
	})
}

// pathOf is the import path the file knows as name.
func (f *File) pathOf(name string) string {
	for _, spec := range f.ast.Imports {
		if f.nameOf(spec) == name {
			return importPath(spec)
		}
	}
	return ""
}

// packageName guesses the package name behind an import path the way goimports does: its last element, without
// a major version and a go- prefix. Emitted files always name their imports, so this is only for users' own.
func packageName(importPath string) string {
	base := path.Base(importPath)
	if majorVersion.MatchString(base) {
		base = path.Base(path.Dir(importPath))
	}
	base, _, _ = strings.Cut(base, ".")
	return strings.TrimPrefix(base, "go-")
}

// nameOf is the name by which the file uses an import. Where the spec gives none, a name the file does use
// decides between what the package is known to be called, the last element of the path, and what packageName makes of it.
func (f *File) nameOf(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	guess, last := packageName(importPath(spec)), path.Base(importPath(spec))
	known := cmp.Or(f.packages[importPath(spec)], guess)
	for _, name := range []string{known, guess, last} {
		if known == last || f.selects(name) {
			return name
		}
	}
	return known
}

// selects reports whether the file has an expression name.X.
func (f *File) selects(name string) bool {
	found := false
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name {
				found = true
			}
		}
		return !found
	})
	return found
}

// imports spells types for one file, and collects the imports that are missing for it.
type imports struct {
	file  *File
	added []Type // Path and Alias
}

func newImports(f *File) *imports { return &imports{file: f} }

func (im *imports) spell(t Type) string {
	var b strings.Builder
	if t.Star {
		b.WriteByte('*')
	}
	if t.Path != "" && !im.file.dotImports(t.Path) {
		b.WriteString(im.name(t) + ".")
	}
	b.WriteString(t.Name)
	if len(t.Args) > 0 {
		args := make([]string, len(t.Args))
		for i, arg := range t.Args {
			args[i] = im.spell(arg)
		}
		b.WriteString("[" + strings.Join(args, ", ") + "]")
	}
	return b.String()
}

// fit returns the edits that make expr the type t. They replace the names that differ, and leave the line breaks and the
// comments that somebody has put between them.
func (im *imports) fit(expr ast.Expr, t Type) []Edit {
	f := im.file
	if f.matches(expr, t) {
		return nil
	}
	replace := func(expr ast.Expr, text string) []Edit {
		return []Edit{{f.offset(expr.Pos()), f.offset(expr.End()), text}}
	}
	if p, ok := expr.(*ast.ParenExpr); ok {
		return im.fit(p.X, t)
	}
	base, star := expr, false
	if s, ok := base.(*ast.StarExpr); ok {
		base, star = s.X, true
	}
	base, args := instance(base)
	if star != t.Star || len(args) != len(t.Args) {
		return replace(expr, im.spell(t))
	}
	var edits []Edit
	bare := Type{Path: t.Path, Alias: t.Alias, Name: t.Name}
	sel, ok := base.(*ast.SelectorExpr)
	switch {
	case f.matches(base, bare):
	case !ok || t.Path == "" || f.dotImports(t.Path):
		edits = replace(base, im.spell(bare))
	default:
		if pkg, ok := sel.X.(*ast.Ident); !ok || f.pathOf(pkg.Name) != t.Path {
			edits = replace(sel.X, im.name(t))
		}
		if sel.Sel.Name != t.Name {
			edits = append(edits, replace(sel.Sel, t.Name)...)
		}
	}
	for i, arg := range args {
		edits = append(edits, im.fit(arg, t.Args[i])...)
	}
	return edits
}

// name is the file's name for the import of t; a new one when it has none.
func (im *imports) name(t Type) string {
	for _, spec := range im.file.ast.Imports {
		if importPath(spec) == t.Path && (spec.Name == nil || (spec.Name.Name != "_" && spec.Name.Name != ".")) {
			return im.file.nameOf(spec)
		}
	}
	for _, a := range im.added {
		if a.Path == t.Path {
			return a.Alias
		}
	}
	used := im.file.identifiers()
	maps.Copy(used, im.file.beside)
	for _, a := range im.added {
		used[a.Alias] = true
	}
	alias := t.Alias
	for n := 2; used[alias]; n++ {
		alias = t.Alias + strconv.Itoa(n)
	}
	im.added = append(im.added, Type{Path: t.Path, Alias: alias})
	return alias
}

// identifiers are all names that occur in the file, so that a new one clashes with none.
func (f *File) identifiers() map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			names[id.Name] = true
		}
		return true
	})
	return names
}

// edits inserts the missing imports after the last import of the file's first import block, in its style.
func (im *imports) edits() []Edit {
	if len(im.added) == 0 {
		return nil
	}
	f := im.file
	eol := "\n"
	if strings.Contains(string(f.Src), "\r\n") {
		eol = "\r\n"
	}
	for _, d := range f.ast.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.IMPORT || len(gen.Specs) == 0 || importsC(gen) {
			continue
		}
		last := gen.Specs[len(gen.Specs)-1]
		prefix := "import "
		if gen.Lparen.IsValid() {
			prefix = ""
		}
		at, free := f.behind(last.End(), gen.Rparen)
		if !free {
			return []Edit{{at, at, im.text("; " + prefix)}}
		}
		if gen.Lparen.IsValid() {
			prefix = f.indent(f.offset(last.Pos()))
		}
		return []Edit{{at, at, im.text(eol + prefix)}}
	}
	at, free := f.behind(f.ast.Name.End(), token.NoPos)
	if !free {
		return []Edit{{at, at, im.text("; import ")}}
	}
	return []Edit{{at, at, eol + im.text(eol+"import ")}}
}

// text is the missing imports, each behind prefix.
func (im *imports) text(prefix string) string {
	var b strings.Builder
	for _, t := range im.added {
		b.WriteString(prefix + t.Alias + " " + strconv.Quote(t.Path))
	}
	return b.String()
}

// behind is where to go on after pos: at the end of its line, or right there where the line is not free: it holds the
// parenthesis that closes, another declaration or the beginning of a comment that goes on.
func (f *File) behind(pos, closing token.Pos) (at int, free bool) {
	at = f.offset(pos)
	end := f.lineEnd(at)
	within := func(p token.Pos) bool { return p.IsValid() && at <= f.offset(p) && f.offset(p) < end }
	taken := within(closing)
	for _, d := range f.ast.Decls {
		taken = taken || within(d.Pos())
	}
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			taken = taken || within(c.Pos()) && f.offset(c.End()) > end
		}
	}
	if taken {
		return at, false
	}
	return end, true
}

func importsC(gen *ast.GenDecl) bool {
	return slices.ContainsFunc(gen.Specs, func(s ast.Spec) bool {
		spec, ok := s.(*ast.ImportSpec)
		return ok && importPath(spec) == "C"
	})
}

// lineEnd is the offset of the end of the line that holds at, without its line ending.
func (f *File) lineEnd(at int) int {
	for at < len(f.Src) && f.Src[at] != '\n' {
		at++
	}
	if at > 0 && f.Src[at-1] == '\r' {
		at--
	}
	return at
}

// indent is the white space the line that holds at begins with.
func (f *File) indent(at int) string {
	start := at
	for start > 0 && f.Src[start-1] != '\n' {
		start--
	}
	end := start
	for end < at && (f.Src[end] == ' ' || f.Src[end] == '\t') {
		end++
	}
	return string(f.Src[start:end])
}
