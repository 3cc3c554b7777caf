package goedit

import "go/ast"

// DropUnused returns the edits that remove the imports that were used in before, which is f some edits ago, and are
// used no more. An import with a comment is somebody's, and one that shares its line stays as well: the compiler
// points to those.
func (f *File) DropUnused(before *File) []Edit {
	var edits []Edit
	for _, spec := range f.ast.Imports {
		name := f.nameOf(spec)
		if name == "_" || name == "." || spec.Doc != nil || spec.Comment != nil || f.selects(name) || !before.selects(name) {
			continue
		}
		start, end := f.offset(spec.Pos()), f.lineEnd(f.offset(spec.End()))
		if f.loneImport(spec) {
			start = f.offset(f.importDecl(spec).Pos())
		}
		indent := len(f.indent(start))
		lineStart := start
		for lineStart > 0 && f.Src[lineStart-1] != '\n' {
			lineStart--
		}
		if lineStart+indent != start || end != f.offset(spec.End()) || end == len(f.Src) {
			continue
		}
		if f.Src[end] == '\r' {
			end++
		}
		edits = append(edits, Edit{Start: lineStart, End: end + 1})
	}
	return edits
}

// importDecl is the declaration an import stands in.
func (f *File) importDecl(spec *ast.ImportSpec) *ast.GenDecl {
	for _, d := range f.ast.Decls {
		if gen, ok := d.(*ast.GenDecl); ok && gen.Pos() <= spec.Pos() && spec.End() <= gen.End() {
			return gen
		}
	}
	return nil
}

// loneImport reports whether an import stands in a declaration without parentheses.
func (f *File) loneImport(spec *ast.ImportSpec) bool {
	gen := f.importDecl(spec)
	return gen != nil && !gen.Lparen.IsValid()
}
