package reconcile

import (
	"bytes"
	"fmt"
	"go/token"
	"maps"
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
	moved map[string]string // a file to where it goes
	from  map[string]string // the same, the other way round
	text  map[string][]byte // of the files that change, by the path they had
	fresh map[string]bool   // stubs nobody edited: the new one takes their place
	idle  map[string]bool   // stubs nobody edited, of what is no longer in the contract
	spare map[string]bool   // stubs nobody edited, of a method that the user's own becomes
}

// evolve makes the edits in memory before any file is planned, since what is declared decides which stubs are made.
func (p *planner) evolve(set *fileset.Set) error {
	plan := p.opt.Evolve
	p.evolution = evolution{fresh: p.stale(set), spare: map[string]bool{}, from: map[string]string{}}
	gone := p.unplanned(set)
	if plan.Empty() && len(gone) == 0 {
		return nil
	}
	files, err := p.userCode(set, len(gone) > 0)
	if err != nil {
		return err
	}
	overlay := map[string][]byte{}
	for _, f := range set.Files() {
		if plan.Follows(declOf(f)) && !isTest(f.Path) {
			if err := p.dropBeside(f, files, overlay); err != nil {
				return err
			}
		}
		switch {
		case plan.Awaited(declOf(f)) && p.stub(f):
			p.spare[f.Path] = true
			delete(p.fresh, f.Path)
			delete(files, f.Path)
			overlay[f.Path] = nil
		case p.fresh[f.Path]:
			files[f.Path] = f.Content
			overlay[f.Path] = f.Content
		}
	}
	p.idle = idle(gone, files)
	for name := range p.idle {
		delete(files, name)
		overlay[name] = nil
	}
	result, err := plan.Edit(files)
	if err != nil {
		return err
	}
	p.text, p.moved = result.Content, result.Moved
	maps.DeleteFunc(p.moved, func(_, to string) bool { _, planned := set.Get(to); return !planned })
	maps.Copy(overlay, result.Content)
	for _, from := range slices.Sorted(maps.Keys(p.moved)) {
		to := p.moved[from]
		p.from[to] = from
		if p.text[from] == nil {
			p.text[from] = files[from]
		}
		overlay[from], overlay[to] = nil, p.text[from]
	}
	p.decls.overlay = overlay
	p.changes.Notes = append(p.changes.Notes, result.Notes...)
	for _, name := range slices.Sorted(maps.Keys(result.Content)) {
		if err := p.edited(name); err != nil {
			return err
		}
	}
	return nil
}

func declOf(f fileset.File) evolve.Decl { return evolve.Decl{Type: f.Decl.Type, Method: f.Decl.Method} }

// stub reports whether f is there for a declaration, and nobody has edited it.
func (p *planner) stub(f fileset.File) bool {
	return f.Owner == fileset.User && f.Decl != (fileset.Decl{}) && p.ours(f.Path, p.disk[f.Path])
}

// stale are the stubs nobody edited that would be others if they were made now. The test of a method stays as it is
// where the method is the user's and as it was.
func (p *planner) stale(set *fileset.Set) map[string]bool {
	stale, methods := map[string]bool{}, map[fileset.Decl]bool{}
	for _, tests := range []bool{false, true} {
		for _, f := range set.Files() {
			if isTest(f.Path) != tests || !p.stub(f) || p.disk[f.Path].hash == Hash(f.Content) {
				continue
			}
			if !tests || methods[f.Decl] || p.opt.Evolve.Changed(declOf(f)) {
				stale[f.Path], methods[f.Decl] = true, true
			}
		}
	}
	return stale
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

// idle are those of gone that nothing needs: a file stays while one that stays mentions what it declares.
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
	needed := func(name string) bool {
		for other, f := range parsed {
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
		for name := range idle {
			if needed(name) {
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
		return strings.HasPrefix(folder+"/", dir+"/") || (all || p.opt.Evolve.Everywhere()) && path.Base(dir) != "gen"
	}, func(name string) bool {
		planned, ok := set.Get(name)
		return !ok || planned.Owner == fileset.User
	})
}

// edited plans the write of a file that was edited and stays where it is.
func (p *planner) edited(name string) error {
	if _, moves := p.moved[name]; moves || p.fresh[name] {
		return nil
	}
	disk, err := p.tree.look(name)
	if err != nil {
		return err
	}
	if !disk.regular {
		return diag.List{{
			Pos: diag.Pos{File: name}, Message: "a signature in it has to change, and svcgen does not write through a symbolic link",
			Hint: "make it a file, or change it where it is",
		}}
	}
	p.changes.change(Edit, fileset.File{Path: name, Owner: fileset.User, Content: p.text[name]}, disk, "")
	return nil
}

// evolved plans a file of the user's that the changed contract concerns. It reports whether that was all.
func (p *planner) evolved(f fileset.File) (done bool, err error) {
	decl := declOf(f)
	disk, known := p.disk[f.Path], p.old.Files[f.Path]
	from, arrives := p.from[f.Path]
	switch {
	case arrives:
		return true, p.arrive(f, from)
	case p.spare[f.Path] && !isTest(f.Path):
		p.next.Files[f.Path] = Entry{Owner: f.Owner}
		p.changes.remove(f.Path, f.Owner, disk, superseded)
		return true, nil
	case p.fresh[f.Path]:
		hash := Hash(f.Content)
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}, Variant: f.Variant}
		if hash == disk.hash {
			p.changes.Unchanged++
			return true, nil
		}
		p.changes.change(Update, f, disk, "a stub nobody edited")
		return true, nil
	}
	if text, edited := p.text[f.Path]; edited && bytes.Equal(text, f.Content) {
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{Hash(text)}, Variant: f.Variant}
		return true, nil // it follows, and nobody has written in it
	}
	suffix, restreamed := p.opt.Evolve.Restreamed(decl)
	if !restreamed || !disk.exists || isTest(f.Path) {
		return false, nil
	}
	declared, err := p.decls.find(path.Dir(f.Path), f.Decl)
	if err != nil || declared {
		return false, err
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: known.Hashes, Variant: f.Variant}
	comment := fmt.Sprintf("//\n// What it was before its streaming changed is in %s, under another name.\nfunc (", path.Base(f.Path))
	f.Content = []byte(strings.Replace(string(f.Content), "func (", comment, 1))
	return true, p.beside(f, "_"+suffix, "")
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// arrive plans the new place of a file that is renamed with its method.
func (p *planner) arrive(f fileset.File, from string) error {
	was, err := p.tree.look(from)
	if err != nil {
		return err
	}
	if !was.regular {
		return diag.List{{Pos: diag.Pos{File: from}, Message: "it is a symbolic link, and svcgen does not move those", Hint: "make it a file"}}
	}
	text, hashes := p.text[from], p.old.Files[from].Hashes
	if slices.Contains(hashes, was.hash) || bytes.Equal(text, f.Content) {
		text, hashes = f.Content, []string{Hash(f.Content)} // nobody has written in it
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: hashes}
	f.Content, f.Mode = text, was.mode
	p.changes.Actions = append(p.changes.Actions, Action{Path: f.Path, From: from, Op: Rename, Owner: f.Owner, Note: "was " + from, Old: was.content, after: f})
	p.changes.put(fileset.File{Path: from, Owner: f.Owner}, was, "")
	p.changes.put(f, p.disk[f.Path], Hash(text))
	return nil
}

// dropBeside takes back what beside has made of f before the user said that it is a rename, if it is as it was made.
func (p *planner) dropBeside(f fileset.File, files, overlay map[string][]byte) error {
	name := strings.TrimSuffix(f.Path, ".go") + besideSuffix + ".go"
	disk, err := p.tree.look(name)
	if err != nil || !disk.regular || disk.hash != Hash(f.Content) {
		return err
	}
	delete(files, name)
	overlay[name] = nil
	p.changes.remove(name, f.Owner, disk, superseded)
	return nil
}

// superseded is why a stub goes that the user's own method takes the place of.
const superseded = "an untouched stub; your own method has this name now"

// besideSuffix ends the name of a stub whose own file is the user's.
const besideSuffix = "_stub"

// beside plans a stub in another file than its own, in which there is something else of the user's.
func (p *planner) beside(f fileset.File, suffix, note string) error {
	stem := strings.TrimSuffix(f.Path, ".go") + suffix
	f.Path = stem + ".go"
	for n := 2; ; n++ {
		taken, err := p.tree.exists(f.Path)
		if err != nil {
			return err
		}
		if !taken {
			break
		}
		f.Path = fmt.Sprintf("%s%d.go", stem, n)
	}
	p.changes.change(Create, f, found{}, note)
	return nil
}
