// Package typecheck finds the lines of a user's code that a run of svcgen breaks: calls of a function that is no longer
// generated, fields that are gone, bodies that do not fit their new signature. A module as it is and as it will be goes
// in; errors that are new come out, at their places. It runs no compiler and reads nothing beside the module.
//
// What the module imports from elsewhere is unknown, so not every error is found, and some are found that are none.
// Those are there before as well as after, and only the difference counts.
package typecheck

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/svcgen/svcgen/generator/diag"
)

// Module is the Go files of one module by their paths, with the change that is about to be made.
type Module struct {
	Path    string            // as go.mod says it
	Files   map[string][]byte // as they are now
	Changed map[string][]byte // as they will be; nil: gone
	Renamed map[string]string // of a file that goes to another place: the new path to the old one
}

// Broken are the lines that compiled before the change and will not afterwards, of files for which ask is true.
func (m Module) Broken(ask func(name string) bool) diag.List {
	after := m.after()
	c := newChange(m, after)
	scope := c.scope(ask)
	if !slices.ContainsFunc(c.files, func(f *file) bool { return f.was != nil && scope.asked[f.name] }) {
		return nil
	}
	return c.broken(m, after, scope)
}

// after is the module as it will be.
func (m Module) after() map[string][]byte {
	after := maps.Clone(m.Files)
	for name, src := range m.Changed {
		if src == nil {
			delete(after, name)
		} else {
			after[name] = src
		}
	}
	for _, from := range m.Renamed {
		if m.Changed[from] == nil { // else another takes its place
			delete(after, from)
		}
	}
	return after
}

// broken are the lines of the files in scope.
func (c *change) broken(m Module, after map[string][]byte, scope scope) diag.List {
	faults := c.world(after, scope, func(f *file) *state { return f.is }).faults()
	if len(faults) == 0 {
		return nil // whatever was wrong before
	}
	known := map[fault]int{}
	for _, f := range c.world(m.Files, scope, func(f *file) *state { return f.was }).faults() {
		known[f.fault]++
	}
	var list diag.List
	for _, f := range faults {
		old := f.fault
		if from, renamed := m.Renamed[old.file]; renamed {
			old.file = from
		}
		if _, there := m.Files[old.file]; !there { // svcgen's own new file: something of the user's is in its way
			list.Warn(f.pos, "", "%s", f.message)
			continue
		}
		if known[old]--; known[old] < 0 {
			list.Warn(f.pos, "", "%s; it compiled before", f.message)
		}
	}
	return list.Sorted()
}

// change is the Go files of a module as they are and as they will be.
type change struct {
	module string
	fset   *token.FileSet
	files  []*file // by name
}

// file is one of them. What it says of itself is known for those that are parsed.
type file struct {
	name, folder string
	was, is      *state          // nil: there is none; one where nothing changes
	imports      map[string]bool // folders of the module
	dots         map[string]bool // those of them whose names are the file's own: import . "path"
	called       map[string]bool // what imports are called
	outline
}

type state struct {
	src  []byte
	tree *ast.File
}

func newChange(m Module, after map[string][]byte) *change {
	c := &change{module: m.Path, fset: token.NewFileSet()}
	names := maps.Clone(after)
	maps.Copy(names, m.Files)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := &file{name: name, folder: path.Dir(name), imports: map[string]bool{}, dots: map[string]bool{}, called: map[string]bool{}, outline: newOutline()}
		if src, there := m.Files[name]; there {
			f.was = &state{src: src}
		}
		if src, there := after[name]; there {
			f.is = f.was
			if f.was == nil || !bytes.Equal(src, f.was.src) {
				f.is = &state{src: src}
			}
		}
		c.files = append(c.files, f)
	}
	each(c.files, c.readImports)
	return c
}

// states are the different ones.
func (f *file) states() []*state {
	if f.was == f.is {
		return []*state{f.is}
	}
	return slices.DeleteFunc([]*state{f.was, f.is}, func(s *state) bool { return s == nil })
}

func (f *file) changes() bool { return f.was != f.is }

func (c *change) readImports(f *file) {
	for _, s := range f.states() {
		tree, _ := parser.ParseFile(token.NewFileSet(), f.name, s.src, parser.ImportsOnly)
		if tree == nil {
			continue
		}
		for _, spec := range tree.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if spec.Name != nil {
				f.called[spec.Name.Name] = true
			} else {
				f.called[path.Base(imported)] = true
			}
			if folder, ours := folderOf(c.module, imported); ours {
				f.imports[folder] = true
				if spec.Name != nil && spec.Name.Name == "." {
					f.dots[folder] = true
				}
			}
		}
	}
}

// parse parses the states of a file, and notes the names in it: with inner, those in function bodies, too. One that does
// not parse has its errors from the compiler.
func (c *change) parse(f *file, inner bool) {
	for _, s := range f.states() {
		if s.tree, _ = parser.ParseFile(c.fset, f.name, s.src, parser.SkipObjectResolution); s.tree != nil {
			f.add(s.tree, inner)
		}
	}
}

// each calls do for every file, for several at the same time.
func each(files []*file, do func(*file)) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for some := range slices.Chunk(files, 20) {
		group.Go(func() error {
			for _, f := range some {
				do(f)
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
}

// world is one state of the module, as far as it is needed.
type world struct {
	module  string
	fset    *token.FileSet
	files   map[string][]byte
	trees   map[string]*ast.File
	asked   map[string]bool
	folders map[string][]string // the files of each that are built on this machine
	gone    map[string]bool     // the folders that are looked into; true: no file of it is built
	made    map[string]*unit
	others  map[string]*types.Package // from elsewhere
}

// world is the module in the states that pick returns, whose text is in files.
func (c *change) world(files map[string][]byte, scope scope, pick func(*file) *state) *world {
	w := &world{
		module: c.module, fset: c.fset, files: files, trees: map[string]*ast.File{}, asked: scope.asked,
		folders: map[string][]string{}, gone: maps.Clone(scope.folders), made: map[string]*unit{}, others: map[string]*types.Package{},
	}
	ctx := build.Default
	ctx.OpenFile = func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files[name])), nil
	}
	ctx.JoinPath = path.Join
	named := map[string]bool{} // folders of which a file says what the package is called
	for _, f := range c.files {
		s, test := pick(f), strings.HasSuffix(f.name, "_test.go")
		gone, looked := w.gone[f.folder]
		if s == nil || !looked || !scope.needed[f.name] && !gone && (test || named[f.folder]) {
			continue
		}
		if built, err := ctx.MatchFile(f.folder, path.Base(f.name)); err != nil || !built {
			continue
		}
		w.gone[f.folder] = false
		tree := s.tree
		if !scope.needed[f.name] && tree != nil {
			tree = &ast.File{Package: tree.Package, Name: tree.Name, FileStart: tree.FileStart, FileEnd: tree.FileEnd}
		}
		if tree != nil && (scope.needed[f.name] || !test) {
			w.folders[f.folder] = append(w.folders[f.folder], f.name)
			w.trees[f.name] = tree
			named[f.folder] = named[f.folder] || !test
		}
	}
	return w
}

// folderOf is where the package of an import path is, if it is of the module.
func folderOf(module, importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}
