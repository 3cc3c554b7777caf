package evolve

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/naming"
)

// Result is the user's code as it is to be.
type Result struct {
	Content map[string][]byte // of the files that were edited, by the path they had
	Moved   map[string]string // old path to new, of a renamed method's own file
	Parked  map[Decl]string   // methods that got out of the way of one that is streamed otherwise: the file they are in
	Notes   diag.List         // a warning for each edit, and for what the user has to see to
}

// editor is one edit of a set of files.
type editor struct {
	plan   Plan
	files  map[string][]byte // as edited so far
	was    map[string][]byte
	parser goedit.Parser
	moved  map[string]string
	parked map[Decl]string
	notes  []note
}

// note is a note whose position is looked up when all edits are made. Decl is empty when pos is right already.
type note struct {
	file    string
	decl    Decl
	message string
	hint    string
	pos     diag.Pos
}

// Edit makes the edits in files, which are keyed by path. An error is a diag.List: nothing is to be written then.
func (p Plan) Edit(files map[string][]byte) (Result, error) {
	e := &editor{plan: p, files: maps.Clone(files), was: files, moved: map[string]string{}, parked: map[Decl]string{}}
	for _, step := range []func() error{e.imports, e.renameServices, e.rename, e.park, e.retype, e.meet, e.publish, e.report} {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	return e.result()
}

// imports follows the packages that moved, in every file.
func (e *editor) imports() error {
	if err := e.rebase(); err != nil {
		return err
	}
	for _, m := range e.plan.moved {
		for _, name := range slices.Sorted(maps.Keys(e.files)) {
			src := e.files[name]
			if !bytes.Contains(src, []byte(m.from)) {
				continue
			}
			f, errs := e.parse(name)
			if errs != nil {
				return errs
			}
			edits := f.ReplaceImport(m.from, m.to)
			if len(edits) == 0 {
				continue
			}
			pos, _ := f.Import(m.from)
			e.files[name] = goedit.Apply(src, edits)
			e.notes = append(e.notes, note{file: name, pos: pos, message: fmt.Sprintf("%s is %s now; the import follows", m.from, m.to)})
		}
	}
	return nil
}

// rebase follows the module to its new path, in every file.
func (e *editor) rebase() error {
	if !e.plan.rebases() {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.files)) {
		if !bytes.Contains(e.files[name], []byte(e.plan.oldModule)) {
			continue
		}
		f, errs := e.parse(name)
		if errs != nil {
			return errs
		}
		edits := f.RebaseImports(e.plan.oldModule, e.plan.module)
		if len(edits) == 0 {
			continue
		}
		e.files[name] = goedit.Apply(e.files[name], edits)
		e.notes = append(e.notes, note{file: name, pos: f.Pos(edits[0].Start), message: fmt.Sprintf("%s is %s now; the imports follow", e.plan.oldModule, e.plan.module)})
	}
	return nil
}

// folder is the files in the folder of the user's package as edited so far.
func (e *editor) folder() map[string][]byte {
	folder := maps.Clone(e.files)
	maps.DeleteFunc(folder, func(name string, _ []byte) bool { return path.Dir(name) != e.plan.Folder })
	return folder
}

// pkg is the user's package as edited so far.
func (e *editor) pkg() (*goedit.Package, error) {
	pkg, errs := e.parser.Parse(e.plan.Package, e.folder())
	for _, f := range pkg.Files() {
		f.Know(e.plan.packages)
	}
	return pkg, errs.Err()
}

// parse is one file as edited so far.
func (e *editor) parse(name string) (*goedit.File, diag.List) {
	f, errs := goedit.ParseFile(name, e.files[name])
	if errs == nil {
		f.Know(e.plan.packages)
	}
	return f, errs
}

// move lets files go where nothing is, or where what is there goes as well.
func (e *editor) move(files map[string]string) {
	maps.DeleteFunc(files, func(from, to string) bool { return from == to })
	for again := true; again; {
		again = false
		for from, to := range files {
			if _, taken := e.files[to]; taken && files[to] == "" {
				delete(files, from)
				again = true
			}
		}
	}
	maps.Copy(e.moved, files)
}

// edit edits several declarations at once; those of one file must not overlap.
func (e *editor) edit(found []goedit.Method, decl Decl, edits func(goedit.Method) []goedit.Edit, message string) {
	byFile := map[string][]goedit.Edit{}
	for _, m := range found {
		if made := edits(m); len(made) > 0 {
			byFile[m.File.Path] = append(byFile[m.File.Path], made...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byFile)) {
		e.files[name] = goedit.Apply(e.files[name], unique(byFile[name]))
		e.notes = append(e.notes, note{file: name, decl: decl, message: message})
	}
}

// unique drops what two declarations of one file both ask for, such as an import.
func unique(edits []goedit.Edit) []goedit.Edit {
	var out []goedit.Edit
	for _, edit := range edits {
		if !slices.Contains(out, edit) {
			out = append(out, edit)
		}
	}
	return out
}

// retype gives changed methods their new types.
func (e *editor) retype() error {
	for _, decl := range sorted(e.plan.changed) {
		s := e.plan.changed[decl]
		pkg, err := e.pkg()
		if err != nil {
			return err
		}
		var failed error
		e.edit(pkg.Methods(decl.Type, decl.Method), decl, func(m goedit.Method) []goedit.Edit {
			edits, err := m.Retype(s.want)
			if errors.Is(err, goedit.ErrShape) {
				failed = diag.List{{Pos: m.Pos(), Message: fmt.Sprintf("the types of %s changed, and this declaration has not as many as the %s says", decl, decl.source()), Hint: "give it the parameters and results of the interface, or delete it"}}
			}
			return edits
		}, fmt.Sprintf("the types of %s changed; its signature follows, its body is yours", decl))
		if failed != nil {
			return failed
		}
		if err := e.dropUnused(pkg); err != nil {
			return err
		}
	}
	return nil
}

// dropUnused removes the imports that only the types of the package as it was had used.
func (e *editor) dropUnused(was *goedit.Package) error {
	for _, before := range was.Files() {
		src := e.files[before.Path]
		if bytes.Equal(src, before.Src) {
			continue
		}
		after, errs := e.parse(before.Path)
		if errs != nil {
			return errs
		}
		e.files[before.Path] = goedit.Apply(src, after.DropUnused(before))
	}
	return nil
}

// meet fits a method that was there before the proto had it, or since it had it once, to what the proto says now.
func (e *editor) meet() error {
	for _, decl := range sorted(e.plan.added) {
		want := e.plan.added[decl].want
		pkg, err := e.pkg()
		if err != nil {
			return err
		}
		e.edit(pkg.Methods(decl.Type, decl.Method), decl, func(m goedit.Method) []goedit.Edit {
			edits, err := m.Retype(want)
			if err != nil {
				e.notes = append(e.notes, note{file: m.File.Path, decl: decl, message: fmt.Sprintf(
					"%s is in the %[2]s now, and this declaration has not as many parameters or results as the %[2]s says", decl, decl.source()),
					hint: "give it those of the interface, or another name"})
			}
			return edits
		}, fmt.Sprintf("%s is in the %s now; its signature follows, its body is yours", decl, decl.source()))
		if err := e.dropUnused(pkg); err != nil {
			return err
		}
		e.offer(pkg, decl)
	}
	return nil
}

// offer points to a method that got out of the way of decl before that was gone, where none has its name.
func (e *editor) offer(pkg *goedit.Package, decl Decl) {
	s := e.plan.added[decl]
	if len(pkg.Methods(decl.Type, decl.Method)) > 0 || s.kind == contract.Handler {
		return
	}
	for _, d := range parkedNames(pkg, decl, s.kind == ir.Unary) {
		for _, m := range pkg.Methods(d.Type, d.Method) {
			if !e.plan.declared[d] && m.Alike(s.anew()) {
				e.notes = append(e.notes, note{file: m.File.Path, decl: d,
					message: fmt.Sprintf("%s is in the proto now, and can be served by %s", decl, d.Method),
					hint:    fmt.Sprintf("if it is what it was, svcgen regen --rename %s gives it its name back", Rename{d, decl})})
			}
		}
	}
}

func sorted(decls map[Decl]signature) []Decl {
	return slices.SortedFunc(maps.Keys(decls), func(a, b Decl) int { return strings.Compare(a.String(), b.String()) })
}

// publish points to methods that are to publish an event and do not speak of it.
func (e *editor) publish() error {
	if len(e.plan.emits) == 0 {
		return nil
	}
	pkg, err := e.pkg()
	if err != nil {
		return err
	}
	for _, is := range e.plan.emits {
		for _, m := range pkg.Methods(is.decl.Type, is.decl.Method) {
			if mentions(m.File, is.event) {
				continue
			}
			e.notes = append(e.notes, note{file: m.File.Path, decl: is.decl,
				message: fmt.Sprintf("%s is to publish %s now, and its body is yours", is.decl, is.event.Message),
				hint:    fmt.Sprintf("publish it there, for %s waits for it, or take the method from its list in the manifest", is.test)})
		}
	}
	return nil
}

// mentions reports whether a file has the name of the function that publishes the event. That of a nested message has those of
// the outer ones in it.
func mentions(f *goedit.File, event contract.Event) bool {
	if event.Func != "" {
		return f.Mentions(event.Func)
	}
	for rest, more := event.Message, true; more; _, rest, more = strings.Cut(rest, ".") {
		if f.Mentions(naming.Camel(rest)) {
			return true
		}
	}
	return false
}

// report points to what is no longer in the proto.
func (e *editor) report() error {
	e.leave()
	if len(e.plan.gone) == 0 {
		return nil
	}
	pkg, err := e.pkg()
	if err != nil {
		return err
	}
	for _, g := range e.plan.gone {
		for _, m := range pkg.Methods(g.decl.Type, g.decl.Method) {
			e.notes = append(e.notes, note{
				file: m.File.Path, decl: g.decl, hint: g.hint,
				message: fmt.Sprintf("%s is no longer in the %s; the method is now an ordinary one, delete it when you like", g.decl, g.decl.source()),
			})
		}
	}
	return nil
}

// leave says how what is left in the folders of the old name gets to those of the new one: under the names it has, over
// the stubs that are made there.
func (e *editor) leave() {
	for _, m := range e.plan.folders {
		if !e.has(m.from) {
			continue
		}
		hint := fmt.Sprintf("git mv -f %s/* %s/", m.from, m.to)
		if m.to == e.plan.Folder {
			hint += fmt.Sprintf(", then write package %s in its files, and %s/%s where they are imported", e.plan.Package, e.plan.module, m.to)
		}
		e.notes = append(e.notes, note{pos: diag.Pos{File: m.from}, hint: hint, message: fmt.Sprintf(
			"the service has another name, and %s takes the place of this folder: what you wrote here is used no more", m.to)})
	}
}

// has reports whether there are files in folder, or below it.
func (e *editor) has(folder string) bool {
	for name := range e.files {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

// result parses what was edited once more: an edit that broke a file is stopped here.
func (e *editor) result() (Result, error) {
	r := Result{Content: map[string][]byte{}, Moved: e.moved, Parked: e.parked}
	for name, src := range e.files {
		if bytes.Equal(src, e.was[name]) {
			continue
		}
		if _, errs := goedit.ParseFile(name, src); errs != nil {
			errs[0].Message = "an edit of the signature would break this file: " + errs[0].Message
			return Result{}, errs
		}
		r.Content[name] = src
	}
	pkg, err := e.pkg()
	if err != nil && len(e.notes) > 0 {
		return Result{}, err
	}
	for _, n := range e.notes {
		pos := n.pos
		if n.decl != (Decl{}) {
			for _, m := range pkg.Methods(n.decl.Type, n.decl.Method) {
				if m.File.Path == n.file {
					pos = m.Pos()
					break
				}
			}
		}
		if to, ok := e.moved[n.file]; ok {
			pos.File = to
		}
		r.Notes.Warn(pos, n.hint, "%s", n.message)
	}
	r.Notes = r.Notes.Sorted()
	return r, nil
}
