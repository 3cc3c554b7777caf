package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"

	"github.com/svcgen/svcgen/generator/diag"
)

// loader reads and parses files, following imports, before the compiler runs. The compiler would stop at the first
// import it cannot find and has no limits; the loader goes on and knows the import statement.
type loader struct {
	limits Limits
	roots  []openRoot

	files    map[string]*File // by import path; nil while missing, so that it is reported once
	order    []*File
	tops     map[string]bool // full names of the messages that loaded files declare outside of others
	bare     map[string]bool // import paths of files without a syntax statement
	linking  *linking
	compiled compiled // by an earlier run
	stack    []string // import paths being loaded, outermost first
	size     int
	full     bool // a limit of the closure was passed and reported
	sources  diag.Sources
	names    []string // import paths that would be found, for hints; filled on first use
	list     diag.List
}

func newLoader(ctx context.Context, in Input) (*loader, error) {
	l := &loader{
		limits:   in.Limits.withDefaults(),
		files:    make(map[string]*File),
		tops:     make(map[string]bool),
		bare:     make(map[string]bool),
		linking:  newLinking(ctx),
		compiled: readCompiled(in.Compiled),
		sources:  make(diag.Sources),
	}
	for _, root := range in.Roots {
		open, err := root.open()
		if err != nil {
			l.close()
			return nil, diag.List{{Message: err.Error()}}
		}
		l.roots = append(l.roots, open)
	}
	return l, nil
}

func (l *loader) close() {
	for _, root := range l.roots {
		_ = root.close() // opened for reading only
	}
}

// entry loads a file the caller asked for.
func (l *loader) entry(e Entry) {
	f := l.load(e.Path, e.Pos, false)
	switch {
	case f == nil:
	case f.Known != nil:
		l.list.Add(e.Pos, "list proto files of your own; this one is provided by "+f.Known.Module, "%s cannot be served", e.Path)
	default:
		f.Listed = true
	}
}

// load reads a file and its imports. at is the place that names it.
func (l *loader) load(importPath string, at diag.Pos, imported bool) *File {
	if f, done := l.files[importPath]; done {
		return f
	}
	if k := lookupKnown(importPath); k != nil {
		return l.loadKnown(k)
	}
	l.files[importPath] = nil
	f := l.find(importPath, at, imported)
	if f == nil || !l.admit(f, at) {
		return nil
	}
	l.files[importPath] = f
	l.sources[f.Disk] = f.Content
	var tree *ast.FileNode
	if l.kept(f) {
		l.declareKept(f.Proto)
	} else {
		if tree = l.parse(f); tree == nil {
			return f
		}
		l.declare(tree)
		l.bare[importPath] = tree.Syntax == nil
		l.stack = append(l.stack, importPath)
		l.imports(f, tree)
		l.stack = l.stack[:len(l.stack)-1]
	}
	l.order = append(l.order, f)
	if !l.list.HasErrors() { // with one, nothing will come of it
		l.linking.add(parsed{f, tree})
	}
	return f
}

// loadKnown adds a linked-in file and what it imports, which is linked in as well.
func (l *loader) loadKnown(k *Known) *File {
	f := &File{Path: k.Path, Known: k}
	f.provided()
	l.files[k.Path] = f
	for i := range k.desc.Imports().Len() {
		if dep := lookupKnown(k.desc.Imports().Get(i).Path()); dep != nil && l.files[dep.Path] == nil {
			l.loadKnown(dep)
		}
	}
	l.order = append(l.order, f)
	return f
}

// find looks a file up in the roots; what is in the way is reported at at.
func (l *loader) find(importPath string, at diag.Pos, imported bool) *File {
	if !fs.ValidPath(importPath) || strings.ContainsAny(importPath, "\\:") || strings.ContainsFunc(importPath, unicode.IsControl) {
		l.list.Add(at, "write the path from an import root, with slashes and without ..", "%s is not a path inside an import root", quote(importPath))
		return nil
	}
	for _, root := range l.roots {
		rel, ok := root.rel(importPath)
		if !ok {
			continue
		}
		content, err := root.read(rel, l.limits.FileSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if large, ok := errors.AsType[*tooLargeError](err); ok {
			l.list.AddLimit(at, "%s is larger than %d bytes; --max-proto-size raises the limit", display(root.Root, rel), large.limit)
			return nil
		}
		if err != nil {
			l.list.Add(at, "", "cannot read %s: %s", display(root.Root, rel), reason(err))
			return nil
		}
		return &File{Path: importPath, Disk: display(root.Root, rel), Content: content, Root: root.Root}
	}
	what := "proto file %s not found"
	if imported {
		what = "import %s not found"
	}
	hint := ""
	if len(l.list) < diag.MaxShown { // it takes long to find
		hint = l.missingHint(importPath)
	}
	l.list.Add(at, hint, what, quote(importPath))
	return nil
}

// reason is an error of the file system without the path that the message has already named.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if strings.Contains(err.Error(), "escapes") {
		return "it is a symbolic link that leaves the import root"
	}
	return err.Error()
}

// admit checks the limits that hold for a file and for the closure it joins.
func (l *loader) admit(f *File, at diag.Pos) bool {
	if l.full {
		return false
	}
	l.size += len(f.Content)
	switch {
	case l.size > l.limits.ClosureSize:
		l.list.AddLimit(at, "the proto files are together larger than %d bytes; --max-proto-size raises the limit", l.limits.ClosureSize)
		l.full = true
	case len(l.sources) >= l.limits.Files:
		l.list.AddLimit(at, "more than %d proto files are imported", l.limits.Files)
		l.full = true
	case len(l.stack) >= l.limits.ImportDepth:
		l.list.AddLimit(at, "imports are nested deeper than %d files", l.limits.ImportDepth)
		l.full = true
	}
	if i := tooDeep(f.Content, l.limits.Nesting); i >= 0 {
		l.sources[f.Disk] = f.Content
		l.list.AddLimit(diag.At(f.Disk, f.Content, i), "brackets are nested deeper than %d", l.limits.Nesting)
		return false
	}
	return !l.full
}

// parse is the file's syntax tree, or nil after diagnostics.
func (l *loader) parse(f *File) (tree *ast.FileNode) {
	before := len(l.list)
	defer func() {
		// The parser reads whatever a user has; a bug of its own must not take the run down.
		if p := recover(); p != nil {
			l.list.Add(diag.Pos{File: f.Disk}, "", "this file cannot be parsed: %v", p)
			tree = nil
		}
	}()
	tree, err := parser.Parse(f.Path, bytes.NewReader(f.Content), reporter.NewHandler(reporter.NewReporter(l.report, nil)))
	if err != nil || len(l.list) > before {
		if i := diag.NotText(f.Content); i >= 0 {
			// What the parser says of such bytes, one by one, is noise. Where it accepts them, in a comment, they are no mistake.
			l.list = l.list[:before]
			l.list.Add(diag.At(f.Disk, f.Content, i), "save the file as UTF-8", "this byte is not UTF-8 text")
			return nil
		}
		if len(l.list) == before {
			l.add(err)
		}
		return nil
	}
	return tree
}

// imports loads what a file imports.
func (l *loader) imports(f *File, tree *ast.FileNode) {
	for _, decl := range tree.Decls {
		imp, ok := decl.(*ast.ImportNode)
		if !ok {
			continue
		}
		target := imp.Name.AsString()
		at := diag.At(f.Disk, f.Content, f.offset(tree.NodeInfo(imp.Name).Start().Offset))
		if i := slices.Index(l.stack, target); i >= 0 {
			cycle := append(slices.Clone(l.stack[i:]), target)
			l.list.Add(at, "move what the files share into one that imports neither", "import cycle: %s", strings.Join(cycle, " -> "))
			continue
		}
		l.load(target, at, true)
	}
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
