package reconcile

import (
	"cmp"
	"go/token"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/evolve"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/goedit"
)

// evolution is what a changed contract does to the user's Go files.
type evolution struct {
	moved  map[string]string      // a file to where it goes
	from   map[string]string      // the same, the other way round
	text   map[string][]byte      // of the files that change, by the path they had
	fresh  map[string]bool        // stubs nobody edited: the new one takes their place
	idle   map[string]bool        // stubs nobody edited, of what is no longer in the contract
	vacant map[string]bool        // stubs nobody edited, of another method than their file is for now
	spare  map[string]bool        // stubs nobody edited, of a method that the user's own becomes
	remade map[string]bool        // stubs nobody edited, made again where a rename has taken or left them
	parked map[evolve.Decl]string // methods that are free for a new stub, and the file that the old one is in
	source map[string][]byte      // what the edits are made in, by path
}

// draft is the user's code while it is edited.
type draft struct {
	files   map[string][]byte // what may be edited, as it is
	overlay map[string][]byte // files as they will be; nil: gone
}

// drop takes a file away.
func (d draft) drop(name string) {
	delete(d.files, name)
	d.overlay[name] = nil
}

// evolve makes the edits in memory before any file is planned, since what is declared decides which stubs are made.
func (p *planner) evolve(set *fileset.Set) error {
	p.opt.Evolve.Places = places(set)
	stale, vacant, err := p.stale(set)
	if err != nil {
		return err
	}
	p.evolution = evolution{fresh: stale, vacant: vacant, spare: map[string]bool{}, from: map[string]string{}, remade: map[string]bool{}}
	made := p.unplanned(set)
	maps.Copy(made, vacant)
	gone := maps.Clone(made)
	maps.DeleteFunc(gone, func(name string, _ bool) bool { return p.serves(name, p.disk[name].content) })
	if p.opt.Evolve.Empty() && len(gone) == 0 {
		return nil
	}
	files, err := p.userCode(set, len(gone) > 0)
	if err != nil {
		return err
	}
	p.source = maps.Clone(files)
	code := draft{files: files, overlay: map[string][]byte{}}
	follow, err := p.prepareStubs(set, code)
	if err != nil {
		return err
	}
	p.idle = idle(gone, files)
	for name := range p.idle {
		code.drop(name)
	}
	result, err := p.opt.Evolve.Edit(files)
	if err != nil {
		return err
	}
	p.text, p.moved, p.parked = result.Content, result.Moved, result.Parked
	maps.Copy(code.overlay, result.Content)
	if err := p.moveFiles(set, code); err != nil {
		return err
	}
	if err := p.renameStubs(follow, code); err != nil {
		return err
	}
	p.dropIdle(made, code)
	p.decls.overlay = code.overlay
	notes := slices.DeleteFunc(result.Notes, func(n diag.Diagnostic) bool { return p.remade[n.Pos.File] || p.idle[n.Pos.File] })
	p.changes.Notes = append(p.changes.Notes, notes...)
	for _, name := range slices.Sorted(maps.Keys(result.Content)) {
		if err := p.edited(name); err != nil {
			return err
		}
	}
	return nil
}

// prepareStubs brings stubs nobody edited up to date, so that there is nothing to edit in them, and takes away those for
// whose methods the user's own are renamed. It returns the stubs that are renamed where they are, once it is known which
// files move.
func (p *planner) prepareStubs(set *fileset.Set, code draft) (follow []fileset.File, err error) {
	plan := p.opt.Evolve
	for _, f := range set.Files() {
		if plan.Follows(declOf(f)) && !isTest(f.Path) {
			if err := p.dropBeside(f, code); err != nil {
				return nil, err
			}
		}
		switch {
		case plan.Awaited(declOf(f)) && p.stub(f):
			delete(p.fresh, f.Path)
			disk, err := p.whole(f.Path)
			if err != nil {
				return nil, err
			}
			if plan.Leaves(declOf(f)) || !p.holds(disk.content, f) {
				follow = append(follow, f)
				continue
			}
			p.spare[f.Path] = true
			code.drop(f.Path)
		case p.fresh[f.Path]:
			if f, err = p.written(f); err != nil {
				return nil, err
			}
			code.files[f.Path], code.overlay[f.Path] = f.Content, f.Content
		}
	}
	return follow, nil
}

// moveFiles puts the files that are renamed with their methods in their new places. A stub nobody edited is made again
// for the place it goes to.
func (p *planner) moveFiles(set *fileset.Set, code draft) error {
	for from, to := range p.moved {
		p.from[to] = from
		switch planned, _ := set.Get(to); {
		case p.ours(from, p.disk[from]):
			if _, err := p.whole(from); err != nil {
				return err
			}
			planned, err := p.written(planned)
			if err != nil {
				return err
			}
			p.text[from] = planned.Content
			p.restored(planned)
		case p.text[from] == nil:
			p.text[from] = code.files[from]
		}
		code.overlay[from] = nil
	}
	for from, to := range p.moved { // afterwards, since one may go where another was
		code.overlay[to] = p.text[from]
	}
	return nil
}

// renameStubs makes stubs again where they stand, but for those that have moved or made room for one that did, or whose method is
// in another file now.
func (p *planner) renameStubs(stubs []fileset.File, code draft) error {
	will := maps.Clone(code.files)
	maps.Copy(will, p.text)
	for _, f := range stubs {
		if _, leaves := p.moved[f.Path]; leaves || p.from[f.Path] != "" || p.elsewhere(f, will) {
			continue
		}
		f, err := p.written(f)
		if err != nil {
			return err
		}
		p.fresh[f.Path], code.overlay[f.Path] = true, f.Content
		p.restored(f)
	}
	return nil
}

// elsewhere reports whether one of the files, which is not f, declares what f is there for.
func (p *planner) elsewhere(f fileset.File, files map[string][]byte) bool {
	for name, content := range files {
		if name != f.Path && path.Dir(name) == path.Dir(f.Path) && !isTest(name) && p.holds(content, f) {
			return true
		}
	}
	return false
}

// restored notes that a stub is made again where it stands, and needs no other: what was edited in it is not told.
func (p *planner) restored(f fileset.File) {
	p.remade[f.Path] = true
	if !isTest(f.Path) {
		delete(p.parked, declOf(f))
	}
}

// dropIdle looks once more for what nothing needs of what svcgen made, now that the user's code is as it will be.
func (p *planner) dropIdle(made map[string]bool, code draft) {
	will := maps.Clone(code.files)
	maps.Copy(will, p.text)
	left := maps.Clone(made)
	maps.DeleteFunc(left, func(name string, _ bool) bool {
		content, stays := will[name]
		_, moves := p.moved[name]
		return !stays || moves || p.serves(name, content)
	})
	if len(p.text) == 0 {
		return
	}
	if p.idle == nil {
		p.idle = map[string]bool{}
	}
	for name := range idle(left, will) {
		p.idle[name] = true
		code.overlay[name] = nil
		delete(p.text, name)
	}
}

// places are the files of the user's that hold one declaration each.
func places(set *fileset.Set) map[evolve.Decl]string {
	places := map[evolve.Decl]string{}
	for _, f := range set.Files() {
		if f.Owner == fileset.User && f.Decl != (fileset.Decl{}) && !isTest(f.Path) {
			places[declOf(f)] = f.Path
		}
	}
	return places
}

// holds reports whether a file as it was made declares what f does, or tests it.
func (p *planner) holds(content []byte, f fileset.File) bool {
	if isTest(f.Path) {
		return declares(f, content, goedit.Declared{Name: testOf(f)})
	}
	return declares(f, content, p.declared(declOf(f)))
}

// declares reports whether the content of f declares one of the given.
func declares(f fileset.File, content []byte, either ...goedit.Declared) bool {
	file, errs := goedit.ParseFile(f.Path, content)
	return errs == nil && slices.ContainsFunc(file.Declares(), func(d goedit.Declared) bool { return slices.Contains(either, d) })
}

// testOf is what the test of what f is there for is called.
func testOf(f fileset.File) string { return "Test" + f.Decl.Type + "_" + f.Decl.Method }

// declared is how a file of the user's package declares decl.
func (p *planner) declared(decl evolve.Decl) goedit.Declared {
	if decl.Method == "" {
		return goedit.Declared{Name: decl.Type}
	}
	generic, _, _ := strings.Cut(p.generics[decl.Type], "[")
	return goedit.Declared{Recv: cmp.Or(generic, decl.Type), Name: decl.Method}
}

func declOf(f fileset.File) evolve.Decl { return evolve.Decl{Type: f.Decl.Type, Method: f.Decl.Method} }

// stub reports whether f is there for a declaration, and nobody has edited it.
func (p *planner) stub(f fileset.File) bool {
	return f.Owner == fileset.User && f.Decl != (fileset.Decl{}) && p.ours(f.Path, p.disk[f.Path])
}

// stale are the stubs nobody edited that would be others if they were made now. The test of a method stays as it is
// where the method is the user's and as it was. Vacant are those of another method than their file is for now, and which
// has a file of its own already, as when the other of two services that had it is gone.
func (p *planner) stale(set *fileset.Set) (stale, vacant map[string]bool, err error) {
	stale, vacant = map[string]bool{}, map[string]bool{}
	methods := map[fileset.Decl]bool{}
	now := declarations{tree: p.tree, module: p.decls.module}
	unchanged := p.old.origin() == p.next.origin() // which is taken for current, whatever the user declares
	for _, tests := range []bool{false, true} {
		for _, f := range set.Files() {
			if isTest(f.Path) != tests || !p.stub(f) {
				continue
			}
			same := p.disk[f.Path].hash == hashOf(f)
			if same && (len(p.taken) == 0 || unchanged) {
				continue
			}
			disk, err := p.whole(f.Path)
			if err != nil {
				return nil, nil, err
			}
			if same && p.fits(f, disk.content) {
				continue
			}
			if !tests && f.Decl.Method != "" && !declares(f, disk.content, p.declared(declOf(f)), goedit.Declared{Recv: f.Decl.Type, Name: f.Decl.Method}) {
				declared, err := now.find(path.Dir(f.Path), f.Decl)
				if err != nil {
					return nil, nil, err
				}
				if declared {
					vacant[f.Path] = true
					continue
				}
			}
			if f, err = p.written(f); err != nil {
				return nil, nil, err
			}
			if sameButNames(disk.content, f) {
				continue
			}
			if !tests || same || methods[f.Decl] || p.opt.Evolve.Changed(declOf(f)) || p.opt.Evolve.Added(declOf(f)) && !p.holds(disk.content, f) {
				stale[f.Path], methods[f.Decl] = true, true
			}
		}
	}
	return stale, vacant, nil
}

// unplanned are the Go files outside of gen folders that svcgen made, nobody edited, and no plan has any more.
func (p *planner) unplanned(set *fileset.Set) map[string]bool {
	gone := map[string]bool{}
	for name, entry := range p.old.Files {
		_, planned := set.Get(name)
		if !planned && entry.Owner != fileset.Svcgen && path.Ext(name) == ".go" && !p.opt.Evolve.Moves(name) && p.ours(name, p.disk[name]) {
			gone[name] = true
		}
	}
	return gone
}

// idle are those of gone that nothing needs: a file stays while one that stays mentions what it declares. Files of other
// folders count while one of them imports the package.
func idle(gone map[string]bool, files map[string][]byte) map[string]bool {
	if len(gone) == 0 {
		return nil
	}
	idle, parsed := maps.Clone(gone), map[string]*goedit.File{}
	for name, src := range files {
		f, errs := goedit.ParseFile(name, src)
		if errs != nil {
			delete(idle, name)
			continue // of the user's package, evolve.Edit tells
		}
		parsed[name] = f
	}
	imported := func(folder string) bool {
		for other, f := range parsed {
			if !idle[other] && path.Dir(other) != folder && f.MayImport(folder) {
				return true
			}
		}
		return false
	}
	needed := func(name string, shared bool) bool {
		for other, f := range parsed {
			if !shared && path.Dir(other) != path.Dir(name) {
				continue
			}
			seen := func(d goedit.Declared) bool {
				return f.Mentions(d.Name) && (token.IsExported(d.Name) || path.Dir(other) == path.Dir(name)) &&
					(d.Recv == "" || f.Mentions(d.Recv) || f.Mentions("New"+d.Recv))
			}
			if !idle[other] && slices.ContainsFunc(parsed[name].Declares(), seen) {
				return true
			}
		}
		return false
	}
	for again := true; again; {
		again = false
		shared := map[string]bool{}
		for name := range idle {
			folder := path.Dir(name)
			if _, known := shared[folder]; !known {
				shared[folder] = imported(folder)
			}
			if needed(name, shared[folder]) {
				delete(idle, name)
				again = true
			}
		}
	}
	return idle
}

// userCode reads the Go files an edit may concern: those of the user's package, and all of the module when a package
// that anybody may import has moved or all are wanted. What svcgen rewrites or merges anyway is left out.
func (p *planner) userCode(set *fileset.Set, all bool) (map[string][]byte, error) {
	folder := p.opt.Evolve.Folder
	return p.tree.goFiles(func(dir string) bool {
		return strings.HasPrefix(folder+"/", dir+"/") || (all || p.opt.Evolve.Everywhere()) && !Generated(dir)
	}, func(name string) bool {
		planned, ok := set.Get(name)
		return !ok || planned.Owner == fileset.User
	}, math.MaxInt)
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }
