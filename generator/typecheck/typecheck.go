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
	"sync"

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
	p := &parsed{fset: token.NewFileSet(), files: map[string][]parsedFile{}}
	is := newWorld(m.Path, after, p)
	folders := is.reached(m.touched())
	if !slices.ContainsFunc(slices.Collect(maps.Keys(m.Files)), func(name string) bool { return ask(name) && folders[path.Dir(name)] }) {
		return nil
	}
	is.real = folders
	is.parse()
	faults := is.faults(ask)
	if len(faults) == 0 {
		return nil // whatever was wrong before
	}
	was := newWorld(m.Path, m.Files, p)
	was.real = folders
	known := map[fault]int{}
	for _, f := range was.faults(ask) {
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

// touched are the folders in which a file changes.
func (m Module) touched() map[string]bool {
	folders := map[string]bool{}
	for name := range m.Changed {
		if strings.HasSuffix(name, ".go") {
			folders[path.Dir(name)] = true
		}
	}
	return folders
}

// parsed keeps syntax trees by name, since that is a part of the place of what is in them, and by content: most files are
// the same before and after. It is safe for concurrent use.
type parsed struct {
	fset  *token.FileSet
	mu    sync.Mutex
	files map[string][]parsedFile
}

type parsedFile struct {
	src  []byte
	tree *ast.File
}

// file parses src. A file that does not parse has its errors from the compiler.
func (p *parsed) file(name string, src []byte) *ast.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.files[name] {
		if bytes.Equal(f.src, src) {
			return f.tree
		}
	}
	p.mu.Unlock()
	tree, _ := parser.ParseFile(p.fset, name, src, parser.SkipObjectResolution)
	p.mu.Lock()
	p.files[name] = append(p.files[name], parsedFile{src, tree})
	return tree
}

// world is one state of the module.
type world struct {
	module  string
	files   map[string][]byte
	folders map[string][]string // the files of each that are built on this machine
	parsed  *parsed
	real    map[string]bool // the folders whose packages are looked into
	made    map[string]*unit
	others  map[string]*types.Package // from elsewhere
}

func newWorld(module string, files map[string][]byte, p *parsed) *world {
	w := &world{module: module, files: files, folders: map[string][]string{}, parsed: p, made: map[string]*unit{}, others: map[string]*types.Package{}}
	ctx := build.Default
	ctx.OpenFile = func(name string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(files[name]))), nil
	}
	ctx.JoinPath = path.Join
	for _, name := range slices.Sorted(maps.Keys(files)) {
		folder, base := path.Split(name)
		if ok, err := ctx.MatchFile(path.Clean(folder), base); err == nil && ok {
			w.folders[path.Clean(folder)] = append(w.folders[path.Clean(folder)], name)
		}
	}
	return w
}

// parse parses what will be looked into, several files at the same time.
func (w *world) parse() {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for folder := range w.real {
		for _, name := range w.folders[folder] {
			group.Go(func() error {
				w.parsed.file(name, w.files[name])
				return nil
			})
		}
	}
	_ = group.Wait() // none fails
}

// folder is where the package of an import path is, if it is of the module.
func (w *world) folder(importPath string) (string, bool) {
	if importPath == w.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, w.module+"/")
}

// reached are the folders from whose code any of the given ones can be seen.
func (w *world) reached(from map[string]bool) map[string]bool {
	users := map[string][]string{} // of a folder: the folders that import it
	for folder, names := range w.folders {
		for _, name := range names {
			f, _ := parser.ParseFile(token.NewFileSet(), name, w.files[name], parser.ImportsOnly)
			if f == nil {
				continue
			}
			for _, spec := range f.Imports {
				imported, _ := strconv.Unquote(spec.Path.Value)
				if to, ours := w.folder(imported); ours {
					users[to] = append(users[to], folder)
				}
			}
		}
	}
	reached := map[string]bool{}
	var visit func(string)
	visit = func(folder string) {
		if reached[folder] {
			return
		}
		reached[folder] = true
		for _, user := range users[folder] {
			visit(user)
		}
	}
	for folder := range from {
		visit(folder)
	}
	return reached
}
