package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/evolve"
	"github.com/svcgen/svcgen/generator/fileset"
)

// evolution is what a changed contract does to the user's Go files.
type evolution struct {
	moved map[string]string // a file to where it goes
	from  map[string]string // the same, the other way round
	text  map[string][]byte // of the files that change, by the path they had
	fresh map[string]bool   // stubs nobody edited: the new one takes their place
	spare map[string]bool   // stubs nobody edited, of a method that the user's own becomes
}

// evolve makes the edits in memory before any file is planned, since what is declared decides which stubs are made.
func (p *planner) evolve(set *fileset.Set) error {
	plan := p.opt.Evolve
	if plan.Empty() {
		return nil
	}
	files, err := p.userCode(set)
	if err != nil {
		return err
	}
	p.evolution = evolution{fresh: map[string]bool{}, spare: map[string]bool{}, from: map[string]string{}}
	overlay := map[string][]byte{}
	for _, f := range set.Files() {
		decl := evolve.Decl{Type: f.Decl.Type, Method: f.Decl.Method}
		if f.Owner != fileset.User || decl.Method == "" || !p.ours(f.Path, p.disk[f.Path]) {
			continue
		}
		switch {
		case plan.Awaited(decl):
			p.spare[f.Path] = true
			delete(files, f.Path)
			overlay[f.Path] = nil
		case plan.Changed(decl):
			p.fresh[f.Path] = true
			files[f.Path] = f.Content
			overlay[f.Path] = f.Content
		}
	}
	result, err := plan.Edit(files)
	if err != nil {
		return err
	}
	p.text, p.moved = result.Content, result.Moved
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

// userCode reads the Go files an edit may concern: those of the user's package, and all of the module when a package
// that anybody may import has moved. What svcgen rewrites or merges anyway is left out.
func (p *planner) userCode(set *fileset.Set) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(p.tree.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if name == "." || strings.HasPrefix(p.opt.Evolve.Folder+"/", name+"/") {
				return nil
			}
			foreign, err := p.tree.exists(path.Join(name, "go.mod"))
			if err != nil {
				return err
			}
			base := d.Name()
			if !p.opt.Evolve.Everywhere() || foreign || base[0] == '.' || base[0] == '_' || slices.Contains([]string{"gen", "vendor", "testdata", "node_modules"}, base) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		if planned, ok := set.Get(name); ok && planned.Owner != fileset.User {
			return nil
		}
		content, err := p.decls.content(name)
		if errors.Is(err, fs.ErrNotExist) { // a dangling link, such as an editor's lock
			return nil
		}
		files[name] = content
		return err
	})
	return files, err
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
	p.changes.act(Action{Path: name, Op: Edit, Owner: fileset.User, Old: disk.content, New: p.text[name]})
	p.changes.put(name, fileset.User, disk, p.text[name], disk.mode)
	return nil
}

// evolved plans a file of the user's that the changed contract concerns. It reports whether that was all.
func (p *planner) evolved(f fileset.File) (done bool, err error) {
	decl := evolve.Decl{Type: f.Decl.Type, Method: f.Decl.Method}
	disk, known := p.disk[f.Path], p.old.Files[f.Path]
	from, arrives := p.from[f.Path]
	switch {
	case arrives:
		return true, p.arrive(f, from)
	case p.spare[f.Path] && !isTest(f.Path):
		p.next.Files[f.Path] = Entry{Owner: f.Owner}
		p.changes.act(Action{Path: f.Path, Op: Remove, Owner: f.Owner, Note: "an untouched stub; your own method has this name now", Old: disk.content})
		p.changes.put(f.Path, f.Owner, disk, nil, 0)
		return true, nil
	case p.fresh[f.Path]:
		hash := Hash(f.Content)
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}, Variant: f.Variant}
		if hash == disk.hash {
			p.changes.Unchanged++
			return true, nil
		}
		p.changes.act(Action{Path: f.Path, Op: Update, Owner: f.Owner, Note: "a stub nobody edited", Old: disk.content, New: f.Content})
		p.changes.put(f.Path, f.Owner, disk, f.Content, f.Mode)
		return true, nil
	case isTest(f.Path):
		if disk.exists && p.opt.Evolve.Changed(decl) && !p.opt.Evolve.Awaited(decl) {
			p.changes.Notes.Warn(diag.Pos{File: f.Path}, "", "the signature of %s changed, and this test of it is yours: see that it compiles", decl)
		}
		return false, nil
	}
	suffix, restreamed := p.opt.Evolve.Restreamed(decl)
	if !restreamed || !disk.exists {
		return false, nil
	}
	declared, err := p.decls.find(path.Dir(f.Path), f.Decl)
	if err != nil || declared {
		return false, err
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: known.Hashes, Variant: f.Variant}
	return true, p.second(f, suffix)
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
	entry := p.old.Files[from]
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: entry.Hashes}
	p.changes.act(Action{Path: f.Path, Op: Rename, Owner: f.Owner, Note: "was " + from, Old: was.content, New: p.text[from]})
	p.changes.put(from, f.Owner, was, nil, 0)
	p.changes.put(f.Path, f.Owner, p.disk[f.Path], p.text[from], was.mode)
	return nil
}

// second plans the stub of a method whose old body lives on under another name, in the file the stub would have.
func (p *planner) second(f fileset.File, suffix string) error {
	stem := strings.TrimSuffix(f.Path, ".go") + "_" + suffix
	name := stem + ".go"
	for n := 2; ; n++ {
		taken, err := p.tree.exists(name)
		if err != nil {
			return err
		}
		if !taken {
			break
		}
		name = fmt.Sprintf("%s%d.go", stem, n)
	}
	comment := fmt.Sprintf("//\n// What it was before its streaming changed is in %s, under another name.\nfunc (", path.Base(f.Path))
	content := []byte(strings.Replace(string(f.Content), "func (", comment, 1))
	p.changes.act(Action{Path: name, Op: Create, Owner: f.Owner, New: content})
	p.changes.put(name, f.Owner, found{}, content, f.Mode)
	return nil
}
