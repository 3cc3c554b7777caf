// Package typecheck finds the lines of a user's code that a run of svcgen breaks: calls of a function that is no longer
// generated, fields that are gone, bodies that do not fit their new signature. A module as it is and as it will be goes
// in; errors that are new come out, at their places. It runs no compiler and reads nothing beside the module.
//
// What the module imports from elsewhere is unknown, so not every error is found, and some are found that are none.
// Those are there before as well as after, and only the difference counts.
package typecheck

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/svcgen/svcgen/generator/diag"
)

// Module is the Go files of one module by their paths, with the change that is about to be made.
type Module struct {
	Path    string            // as go.mod says it
	Files   map[string][]byte // as they are now; of one that is longer than Beginning, it may be that much
	Changed map[string][]byte // as they will be; nil: gone
	Renamed map[string]string // of a file that goes to another place: the new path to the old one

	Read func(name string) ([]byte, error) // reads all of a file

	Outlines Outlines // of some of Files; nil: of none
}

// Beginning is how many bytes of a file are read before it is known whether the rest matters. In most, that is all of it.
const Beginning = 32 << 10

// cut reports whether src may be no more than the beginning of a file.
func cut(src []byte) bool { return len(src) == Beginning }

// Change is the change of a module of which all is read that matters.
type Change struct {
	Module
	ask   func(name string) bool
	fset  *token.FileSet
	files []*file // by name
	scope
	unread error // why a file could not be read
}

// Load reads what a change can concern of a module. Broken lines are wanted of the files for which ask is true. The error is
// Read's.
func (m Module) Load(ask func(name string) bool) (*Change, error) {
	c := &Change{Module: m, ask: ask, fset: token.NewFileSet()}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Broken are the lines that compiled before the change and will not afterwards. It reads no more than files that do not change, so the
// change may be made meanwhile.
func (c *Change) Broken() diag.List {
	c.narrow()
	if c.unread != nil {
		return diag.List{unknown(c.unread.Error())}
	}
	if !slices.ContainsFunc(c.files, func(f *file) bool { return f.was != nil && f.asked }) {
		return nil
	}
	return c.broken()
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
func (c *Change) broken() diag.List {
	var list diag.List
	is := c.world(func(f *file) *state { return f.is })
	faults := is.faults()
	if len(faults) == 0 && !is.failed {
		return nil // whatever was wrong before
	}
	known := map[fault]int{}
	was := c.world(func(f *file) *state { return f.was })
	for _, f := range was.faults() {
		known[f.fault]++
	}
	if is.failed || was.failed {
		return diag.List{unknown("the type checker of Go fails")}
	}
	for _, f := range faults {
		old := f.fault
		if from, renamed := c.Renamed[old.file]; renamed {
			old.file = from
		}
		if _, there := c.Files[old.file]; !there { // svcgen's own new file: something of the user's is in its way
			list.Warn(f.pos, "", "%s", f.message)
			continue
		}
		if known[old]--; known[old] < 0 {
			list.Warn(f.pos, "", "%s; it compiled before", f.message)
		}
	}
	return list.Sorted()
}

// unknown says that nothing can be said.
func unknown(why string) diag.Diagnostic {
	return diag.Diagnostic{Warning: true, Message: "which lines of yours break is not known: " + why, Hint: "go vet ./... names them"}
}

// file is a Go file of the module. What it declares is known for those in the folders of a scope.
type file struct {
	name, folder string
	was, is      *state          // nil: there is none; one where nothing changes
	packages     map[string]bool // what the package is called; of an external test, without _test
	imports      map[string]bool // folders of the module
	dots         map[string]bool // those of them whose names are the file's own: import . "path"
	called       []string        // what imports are called
	parts        []*part         // of what it declares, in all its states
	divided      bool            // of each state there are the parts
	present      bool            // to be looked at
	asked        bool            // its lines are wanted, and the change may concern them
}

type state struct {
	src []byte
	cut bool // src may be no more than the beginning
	outline
	outlined bool    // the outline has all declarations
	parts    []*part // of each declaration, the one that it is or belongs to
}

// load reads the heads of all files, and the rest of those in the folders of the scope.
func (c *Change) load() error {
	after := c.after()
	names := maps.Clone(after)
	maps.Copy(names, c.Files)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := &file{name: name, folder: path.Dir(name), packages: map[string]bool{}, imports: map[string]bool{}, dots: map[string]bool{}}
		src, now := after[name]
		old, before := c.Files[name]
		if before {
			f.was = &state{src: old, cut: cut(old)}
			f.was.outline, f.was.outlined = c.Outlines[name]
		}
		_, changes := c.Changed[name]
		if now && before && changes {
			if err := c.complete(f); err != nil {
				return err
			}
			changes = !bytes.Equal(src, f.was.src)
		}
		if now {
			f.is = f.was
			if !before || changes {
				f.is = &state{src: src}
			}
		}
		c.files = append(c.files, f)
	}
	if err := each(c.files, c.readHead); err != nil {
		return err
	}
	c.reach()
	return each(c.inScope(), c.complete)
}

// complete reads the rest of a file.
func (c *Change) complete(f *file) error {
	if f.was == nil || !f.was.cut {
		return nil
	}
	src, err := c.Read(f.name)
	if err == nil {
		f.was.src, f.was.cut = src, false
	}
	return err
}

// states are the different ones.
func (f *file) states() []*state {
	if f.was == f.is {
		return []*state{f.is}
	}
	return slices.DeleteFunc([]*state{f.was, f.is}, func(s *state) bool { return s == nil })
}

func (f *file) changes() bool { return f.was != f.is }

// turns reports whether more may change of a file than its declarations: it comes or goes, or has another head.
func (f *file) turns() bool {
	return f.changes() && (f.was == nil || f.is == nil || !bytes.Equal(f.was.src[:f.was.head], f.is.src[:f.is.head]))
}

// readHead notes what a file says before its declarations.
func (c *Change) readHead(f *file) error {
	for _, s := range f.states() {
		if !s.outlined {
			head, done := headOf(s.src)
			if !done && s.cut {
				if err := c.complete(f); err != nil {
					return err
				}
				head, _ = headOf(s.src)
			}
			s.outline = head
		}
		f.packages[strings.TrimSuffix(s.pkg, "_test")] = true
		for _, i := range s.imports {
			f.called = append(f.called, cmp.Or(i.name, path.Base(i.path)))
			if folder, ours := folderOf(c.Path, i.path); ours {
				f.imports[folder] = true
				if i.name == "." {
					f.dots[folder] = true
				}
			}
		}
	}
	return nil
}

// each calls do for every one of list, for several at the same time. A panic of one is each's.
func each[T any](list []T, do func(T) error) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	var bug atomic.Value
	for some := range slices.Chunk(list, 1+len(list)/100) {
		group.Go(func() error {
			defer func() {
				if p := recover(); p != nil {
					bug.CompareAndSwap(nil, fmt.Sprintf("%v\n%s", p, debug.Stack()))
				}
			}()
			for _, one := range some {
				if err := do(one); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if p := bug.Load(); p != nil {
		panic(p)
	}
	return err
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
	failed  bool                      // go/types did not get over the code
}

// world is the module in the states that pick returns.
func (c *Change) world(pick func(*file) *state) *world {
	w := &world{
		module: c.Path, fset: c.fset, files: map[string][]byte{}, trees: map[string]*ast.File{}, asked: map[string]bool{},
		folders: map[string][]string{}, gone: maps.Clone(c.folders), made: map[string]*unit{}, others: map[string]*types.Package{},
	}
	ctx := build.Default
	ctx.OpenFile = func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(w.files[name])), nil
	}
	ctx.JoinPath = path.Join
	named := map[string]bool{} // folders of which a file says what the package is called
	var built []*file
	for _, f := range c.files {
		s, test := pick(f), strings.HasSuffix(f.name, "_test.go")
		gone, looked := w.gone[f.folder]
		if s == nil || !looked || !f.present && !gone && (test || named[f.folder]) {
			continue
		}
		w.files[f.name] = s.src
		if matches, err := ctx.MatchFile(f.folder, path.Base(f.name)); err != nil || !matches {
			continue
		}
		w.gone[f.folder] = false
		if s.pkg != "" && (f.present || !test) {
			built = append(built, f)
			named[f.folder] = named[f.folder] || !test
		}
	}
	var mu sync.Mutex
	_ = each(built, func(f *file) error { // none fails
		// A file that does not parse has its errors from the compiler.
		tree, _ := parser.ParseFile(c.fset, f.name, c.excerpt(f, pick(f)), parser.SkipObjectResolution)
		mu.Lock()
		w.trees[f.name], w.asked[f.name] = tree, f.asked
		mu.Unlock()
		return nil
	})
	for _, f := range built {
		if w.trees[f.name] != nil {
			w.folders[f.folder] = append(w.folders[f.folder], f.name)
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
