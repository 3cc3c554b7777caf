package typecheck

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
)

// fault is an error by what stands in its line: lines move, and messages name things that were renamed.
type fault struct{ file, line string }

type placed struct {
	fault
	pos     diag.Pos
	message string
}

// unit is one package that was checked for those that import it.
type unit struct {
	pkg  *types.Package
	busy bool
}

var (
	errUnknown = errors.New("not of this module")
	errGone    = errors.New("the package is gone")
)

// faults are the first errors of each line, in the files that are asked for.
func (w *world) faults() []placed {
	var all []placed
	for _, folder := range slices.Sorted(maps.Keys(w.folders)) {
		names := w.folders[folder]
		if !slices.ContainsFunc(names, func(name string) bool { return w.asked[name] }) {
			continue
		}
		inside, outside := w.split(names)
		pkg, found := w.check(folder, inside, nil, false)
		all = append(all, found...)
		if len(outside) > 0 {
			_, found := w.check(folder+"_test", outside, map[string]*types.Package{w.importPath(folder): pkg}, false)
			all = append(all, found...)
		}
	}
	seen := map[diag.Pos]bool{}
	return slices.DeleteFunc(all, func(f placed) bool {
		line := diag.Pos{File: f.pos.File, Line: f.pos.Line}
		drop := seen[line] || !w.asked[f.pos.File]
		seen[line] = true
		return drop
	})
}

func (w *world) importPath(folder string) string {
	if folder == "." {
		return w.module
	}
	return w.module + "/" + folder
}

// split sets the files of the external test package apart.
func (w *world) split(names []string) (inside, outside []*ast.File) {
	for _, name := range names {
		f := w.trees[name]
		if strings.HasSuffix(name, "_test.go") && strings.HasSuffix(f.Name.Name, "_test") {
			outside = append(outside, f)
		} else {
			inside = append(inside, f)
		}
	}
	return inside, outside
}

// check type-checks files as one package. What is imported from elsewhere is unknown, and so is all that is made of it.
func (w *world) check(name string, files []*ast.File, known map[string]*types.Package, signatures bool) (*types.Package, []placed) {
	var found []placed
	conf := types.Config{
		IgnoreFuncBodies: signatures,
		FakeImportC:      true,
		Importer: importer(func(importPath string) (*types.Package, error) {
			if pkg, ok := known[importPath]; ok {
				return pkg, nil
			}
			return w.importer(importPath)
		}),
		Error: func(err error) {
			var e types.Error
			if !errors.As(err, &e) {
				return
			}
			if m := streamed.FindStringSubmatch(e.Msg); m != nil && !signatures {
				w.meetings = append(w.meetings, meeting{w.place(e), m[1], m[2], m[3]})
			}
			if !noise.MatchString(e.Msg) {
				found = append(found, w.place(e))
			}
		},
	}
	pkg := w.run(conf, name, files)
	if !signatures {
		for _, f := range files {
			found = append(found, w.imports(f, known)...)
		}
	}
	return pkg, found
}

// run runs the type checker, whose errors are collected. In code that is wrong it may panic, as for some types that contain themselves.
func (w *world) run(conf types.Config, name string, files []*ast.File) (pkg *types.Package) {
	defer func() {
		if recover() != nil {
			w.failed = true
		}
	}()
	pkg, _ = conf.Check(name, w.fset, files, nil)
	return pkg
}

// imports are the faults of imports that go/types leaves out: it tells a package that is gone in one file only, and takes
// what comes from elsewhere for used. An import whose path does not say what its package is called is not judged.
func (w *world) imports(f *ast.File, known map[string]*types.Package) []placed {
	var found []placed
	tell := func(spec *ast.ImportSpec, format string, args ...any) {
		found = append(found, w.place(types.Error{Fset: w.fset, Pos: spec.Pos(), Msg: fmt.Sprintf(format, args...)}))
	}
	used := selected(f)
	for _, spec := range f.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil || importPath == "C" || known[importPath] != nil {
			continue
		}
		name, as := path.Base(importPath), ""
		sure := token.IsIdentifier(name) && !majorVersion.MatchString(name)
		if spec.Name != nil {
			name, as, sure = spec.Name.Name, " as "+spec.Name.Name, true
		}
		switch _, err := w.importer(importPath); {
		case errors.Is(err, errGone):
			tell(spec, "could not import %s (%v)", importPath, errGone)
		case errors.Is(err, errUnknown) && sure && name != "_" && name != "." && !used[name]:
			tell(spec, "%s imported%s and not used", spec.Path.Value, as)
		}
	}
	return found
}

// majorVersion matches the end of a path that says nothing of the package's name.
var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// selected are the names from which the file selects something.
func selected(f *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok {
				names[id.Name] = true
			}
		}
		return true
	})
	return names
}

// noise matches what comes of not knowing other modules: whether something is a stream or a context is not known here.
// A tab begins the second line of an error.
var noise = regexp.MustCompile(`^could not import |^\t| as (context|grpc)\.\w`)

// streamed matches that part of it where a value is to be a stream of messages.
var streamed = regexp.MustCompile(`^cannot use .* of (?:\w+ )*type (\S.*)\) as (grpc\.\w+)\[(.*)\] value in `)

// meeting is where a value of one type is to be a stream.
type meeting struct {
	placed
	value, stream, messages string
}

// parts reports whether the value was a stream of other messages: of those that it is to be now it is none. That both change
// together, as when the package of the messages moves, is nothing.
func (m meeting) parts(was meeting) bool {
	return m.value == was.value && m.stream == was.stream && m.messages != was.messages
}

type importer func(string) (*types.Package, error)

func (i importer) Import(importPath string) (*types.Package, error) { return i(importPath) }

// importer checks the declarations of a package of the module. Where nothing changed it is not looked into.
func (w *world) importer(importPath string) (*types.Package, error) {
	folder, ours := folderOf(w.module, importPath)
	if !ours {
		return w.outside(importPath), errUnknown
	}
	gone, looked := w.gone[folder]
	if !looked {
		return nil, errUnknown
	}
	if gone {
		return nil, errGone
	}
	u := w.made[folder]
	if u == nil {
		u = &unit{busy: true}
		w.made[folder] = u
		names := slices.DeleteFunc(slices.Clone(w.folders[folder]), func(name string) bool { return strings.HasSuffix(name, "_test.go") })
		if inside, _ := w.split(names); len(inside) > 0 {
			u.pkg, _ = w.check(importPath, inside, nil, true)
		}
		u.busy = false
	}
	if u.busy || u.pkg == nil { // a cycle, or no package
		return nil, errUnknown
	}
	return u.pkg, nil
}

// signatureTypes are the types from elsewhere that the methods of services have in their signatures, by the path of their
// package. Two methods can be told apart only where none of their types is unknown. What they are made of is not known, only
// the methods that take and return messages: what a handler does with those stands between them.
var signatureTypes = map[string]string{
	"context": "type Context unknown",
	"google.golang.org/grpc": `
		type (
			CallOption                         unknown
			BidiStreamingServer[Req, Res any]   unknown
			ClientStreamingServer[Req, Res any] unknown
			ServerStreamingServer[Res any]      unknown
			BidiStreamingClient[Req, Res any]   unknown
			ClientStreamingClient[Req, Res any] unknown
			ServerStreamingClient[Res any]      unknown
		)
		func (BidiStreamingServer[Req, Res]) Recv() (*Req, error)
		func (BidiStreamingServer[Req, Res]) Send(*Res) error
		func (ClientStreamingServer[Req, Res]) Recv() (*Req, error)
		func (ClientStreamingServer[Req, Res]) SendAndClose(*Res) error
		func (ServerStreamingServer[Res]) Send(*Res) error
		func (BidiStreamingClient[Req, Res]) Send(*Req) error
		func (BidiStreamingClient[Req, Res]) Recv() (*Res, error)
		func (ClientStreamingClient[Req, Res]) Send(*Req) error
		func (ClientStreamingClient[Req, Res]) CloseAndRecv() (*Res, error)
		func (ServerStreamingClient[Res]) Recv() (*Res, error)`,
}

// outside is a package from elsewhere: of its types little is known, of most nothing.
func (w *world) outside(importPath string) *types.Package {
	src := signatureTypes[importPath]
	if src == "" || w.others[importPath] != nil {
		return w.others[importPath]
	}
	// Positions in another set of files are none in the module's.
	fset, name := token.NewFileSet(), path.Base(importPath)
	tree, _ := parser.ParseFile(fset, "", "package "+name+"\n"+src, parser.SkipObjectResolution)
	conf := types.Config{Error: func(error) {}} // of what is unknown
	pkg, _ := conf.Check(importPath, fset, []*ast.File{tree}, nil)
	w.others[importPath] = pkg
	return pkg
}

// place is where an error is, with the text of the line.
func (w *world) place(e types.Error) placed {
	at := e.Fset.PositionFor(e.Pos, false)
	src := w.files[at.Filename]
	line, _, _ := bytes.Cut(src[bytes.LastIndexByte(src[:min(at.Offset, len(src))], '\n')+1:], []byte{'\n'})
	return placed{
		fault{path.Clean(at.Filename), string(bytes.TrimSpace(line))},
		diag.At(at.Filename, src, at.Offset),
		strings.Join(strings.FieldsFunc(e.Msg, func(r rune) bool { return r == '\n' || r == '\t' }), "; "),
	}
}
