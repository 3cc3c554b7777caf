// Package typecheck finds the lines of a user's code that a run of svcgen breaks: calls of a function that is no longer
// generated, fields that are gone, bodies that do not fit their new signature. A module as it is and as it will be goes
// in; errors that are new come out, at their places. It runs no compiler and reads nothing beside the module.
//
// What the module imports from elsewhere is unknown, but for the messages that go through a stream, so not every error is
// found, and some are found that are none. Those are there before as well as after, and only the difference counts.
package typecheck

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/parallel"
)

// Code is the Go files of one module as they are: what can be found before it is known what changes. It is for one Change.
type Code struct {
	module string // as go.mod says it
	ask    func(name string) bool
	read   func(name string) ([]byte, error)
	files  []*file // by name
	byName map[string]*file
}

// Beginning is how many bytes of a file are read before it is known whether the rest matters. In most, that is all of it.
const Beginning = 32 << 10

// Read takes the files of a module by their paths; of one that is longer than Beginning, it may be that much, and read reads all
// of it. Broken lines are wanted of the files for which ask is true. The error is read's.
func Read(module string, files map[string][]byte, ask func(name string) bool, read func(name string) ([]byte, error)) (*Code, error) {
	c := &Code{module: module, ask: ask, read: read, byName: make(map[string]*file, len(files))}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		src := files[name]
		f := c.add(name)
		f.was = &state{src: src, cut: len(src) == Beginning}
		f.is = f.was
	}
	return c, parallel.Each(c.files, func(f *file) error {
		if f.asks && !f.was.cut {
			f.was.outline = outlineOf(f.was.src, true)
			f.divide()
		}
		return c.readHead(f, f.was)
	})
}

func (c *Code) add(name string) *file {
	f := &file{name: name, folder: path.Dir(name), asks: c.ask(name)}
	c.files, c.byName[name] = append(c.files, f), f
	return f
}

// Expect finds what files declare that are likely to change, each named once. The error is read's.
func (c *Code) Expect(names []string) error {
	return parallel.Each(names, func(name string) error {
		f := c.byName[name]
		if f == nil || f.was.whole {
			return nil
		}
		err := c.complete(f)
		if err == nil {
			f.was.outline = outlineOf(f.was.src, f.asks)
		}
		return err
	})
}

// Change is the change of a module of which all is read that matters.
type Change struct {
	*Code
	renamed map[string]string
	fset    *token.FileSet
	scope
	unread error // why a file could not be read
}

// Change is for the files in changed, which has them as they will be; nil: gone. Of one that goes to another place, renamed has the
// old path by the new one. The error is read's.
func (c *Code) Change(changed map[string][]byte, renamed map[string]string) (*Change, error) {
	ch := &Change{Code: c, renamed: renamed, fset: token.NewFileSet()}
	for name, src := range changed {
		if err := c.change(name, src); err != nil {
			return nil, err
		}
	}
	for _, from := range renamed {
		if f := c.byName[from]; f != nil && changed[from] == nil { // else another takes its place
			f.becomes(nil)
		}
	}
	slices.SortFunc(c.files, func(a, b *file) int { return strings.Compare(a.name, b.name) })
	ch.reach()
	return ch, parallel.Each(ch.inScope(), c.complete)
}

// change makes src of a file.
func (c *Code) change(name string, src []byte) error {
	f := c.byName[name]
	switch {
	case f == nil && src == nil:
		return nil
	case f == nil:
		f = c.add(name)
	case src == nil:
		f.becomes(nil)
		return nil
	default:
		if err := c.complete(f); err != nil || bytes.Equal(src, f.was.src) {
			return err
		}
	}
	f.becomes(&state{src: src})
	return c.readHead(f, f.is)
}

// becomes gives a file another state to be in.
func (f *file) becomes(is *state) {
	f.is, f.parts = is, nil
	if f.was != nil {
		f.was.parts = nil
	}
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

// broken are the lines of the files in scope.
func (c *Change) broken() diag.List {
	var list diag.List
	is := c.world(func(f *file) *state { return f.is })
	faults := is.faults()
	if len(faults) == 0 && len(is.meetings) == 0 && !is.failed {
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
		old := c.before(f.fault)
		if there := c.byName[old.file]; there == nil || there.was == nil { // svcgen's own new file: something of the user's is in its way
			list.Warn(f.pos, "", "%s", f.message)
			continue
		}
		if known[old]--; known[old] < 0 {
			list.Warn(f.pos, "", "%s; it compiled before", f.message)
		}
	}
	for _, m := range is.meetings {
		old := c.before(m.fault)
		if is.asked[m.file] && slices.ContainsFunc(was.meetings, func(was meeting) bool { return was.fault == old && m.parts(was) }) {
			list.Warn(m.pos, "", "%s; it compiled before", m.message)
		}
	}
	return list.Sorted()
}

// before is a fault as it was when its file had not got another name.
func (c *Change) before(f fault) fault {
	if from, renamed := c.renamed[f.file]; renamed {
		f.file = from
	}
	return f
}

// unknown says that nothing can be said.
func unknown(why string) diag.Diagnostic {
	return diag.Diagnostic{Warning: true, Message: "which lines of yours break is not known: " + why, Hint: "go vet ./... names them"}
}

// file is a Go file of the module. What it declares is known of one whose lines are wanted, and of those in the folders of a scope.
type file struct {
	name, folder string
	was, is      *state   // nil: there is none; one where nothing changes
	packages     []string // what the package is called; of an external test, without _test
	imports      []string // folders of the module
	dots         []string // those of them whose names are the file's own: import . "path"
	parts        []*part  // of what it declares, in all its states; nil while that is not known
	asks         bool     // its lines are wanted
	asked        bool     // and the change may concern them
	present      bool     // to be looked at
}

type state struct {
	src []byte
	cut bool // src may be no more than the beginning
	outline
	parts []*part // of each declaration, the one that it is or belongs to
}

// complete reads the rest of a file.
func (c *Code) complete(f *file) error {
	if f.was == nil || !f.was.cut {
		return nil
	}
	src, err := c.read(f.name)
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
func (c *Code) readHead(f *file, s *state) error {
	if !s.whole {
		head, done := headOf(s.src)
		if !done && s.cut {
			if err := c.complete(f); err != nil {
				return err
			}
			head, _ = headOf(s.src)
		}
		s.outline = head
	}
	f.packages = with(f.packages, strings.TrimSuffix(s.pkg, "_test"))
	for _, i := range s.imports {
		if folder, ours := folderOf(c.module, i.path); ours {
			f.imports = with(f.imports, folder)
			if i.name == "." {
				f.dots = with(f.dots, folder)
			}
		}
	}
	return nil
}

// called is what the imports of a file are called.
func (f *file) called() []string {
	var names []string
	for _, s := range f.states() {
		for _, i := range s.imports {
			names = append(names, cmp.Or(i.name, path.Base(i.path)))
		}
	}
	return names
}

// with is list, which has nothing twice, with one.
func with(list []string, one string) []string {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
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

	meetings []meeting // in the order in which they were found
}

// world is the module in the states that pick returns.
func (c *Change) world(pick func(*file) *state) *world {
	w := &world{
		module: c.module, fset: c.fset, files: map[string][]byte{}, trees: map[string]*ast.File{}, asked: map[string]bool{},
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
	_ = parallel.Each(built, func(f *file) error { // none fails
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
