package goedit

import (
	"bytes"
	"go/ast"
	"slices"
)

// DropUnused returns the edits that remove the imports that were used in before, which is f some edits ago, and are
// used no more. An import with a comment is somebody's: the compiler points to that.
func (f *File) DropUnused(before *File) []Edit {
	var edits []Edit
	last := 0
	for _, spec := range f.ast.Imports {
		name := f.nameOf(spec)
		if name == "_" || name == "." || spec.Doc != nil || spec.Comment != nil || f.selects(name) || !before.selects(name) {
			continue
		}
		decl := f.importDecl(spec)
		start, end := f.offset(spec.Pos()), f.offset(spec.End())
		if !decl.Lparen.IsValid() {
			start = f.offset(decl.Pos())
		}
		line, lineEnd := bytes.LastIndexByte(f.Src[:start], '\n')+1, f.lineEnd(end)
		if f.commented(max(line, f.offset(decl.Pos())), min(lineEnd, f.offset(decl.End()))) {
			continue
		}
		ahead := len(bytes.TrimRight(f.Src[:start], " \t"))
		behind := lineEnd - len(bytes.TrimLeft(f.Src[end:lineEnd], " \t"))
		switch { // it goes with its line, or with one of the semicolons around it
		case ahead <= line && end == lineEnd && end < len(f.Src):
			start, end = line, end+1
			if f.Src[end-1] == '\r' {
				end++
			}
		case behind < lineEnd && f.Src[behind] == ';':
			end = behind + 1
		case ahead > 0 && f.Src[ahead-1] == ';':
			start = ahead - 1
		case !decl.Lparen.IsValid():
			continue // a comment follows, or the file ends
		}
		start = max(start, last) // the one before may have taken the semicolon
		edits, last = append(edits, Edit{Start: start, End: end}), end
	}
	return edits
}

// commented reports whether a comment stands between two offsets.
func (f *File) commented(start, end int) bool {
	return slices.ContainsFunc(f.ast.Comments, func(c *ast.CommentGroup) bool {
		return f.offset(c.Pos()) < end && f.offset(c.End()) > start
	})
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
