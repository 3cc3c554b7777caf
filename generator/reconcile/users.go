package reconcile

import (
	"fmt"
	"path"
	"slices"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/goedit"
)

// untouched is why a stub goes with its method.
const untouched = "a stub nobody edited, of what is gone"

// users plans a file that is created once, unless what it declares is declared elsewhere or the user deleted it.
func (p *planner) users(f fileset.File) error {
	switch {
	case p.idle[f.Path]:
		disk, err := p.whole(f.Path)
		p.next.Files[f.Path] = Entry{Owner: f.Owner}
		p.changes.remove(f.Path, f.Owner, disk, untouched)
		return err
	case p.vacant[f.Path] && !p.serves(f.Path, p.disk[f.Path].content): // something of the user's needs it
		p.next.Files[f.Path] = Entry{Owner: f.Owner}
		p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "yours; svcgen has no more use for it", News: true})
		return nil
	}
	if done, err := p.evolved(f); done || err != nil {
		return err
	}
	known, was := p.old.Files[f.Path]
	disk := p.disk[f.Path]
	if _, leaves := p.moved[f.Path]; leaves {
		was, disk.exists, disk.regular = false, false, false
	}
	if f.Variant != "" && disk.exists {
		pending, err := p.tree.look(f.Path + PendingSuffix)
		if err != nil {
			return err
		}
		if pending.exists && was {
			p.next.Files[f.Path] = known
			if known.Variant != f.Variant {
				p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{Hash(f.Content)}, Variant: f.Variant}
			}
			p.conflict(f, disk, pending, "it is not merged yet")
			return nil
		}
	}
	switch {
	case was && known.Variant != f.Variant && disk.exists:
		return p.vary(f, disk)
	case disk.regular && disk.hash == hashOf(f):
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{disk.hash}, Variant: f.Variant}
		p.changes.Unchanged++
		return nil
	case disk.exists && (!was || p.opt.Evolve.Added(declOf(f))):
		return p.occupied(f)
	case was && !p.opt.Evolve.Added(declOf(f)):
		known.Owner = f.Owner
		p.next.Files[f.Path] = known
		if !disk.exists && len(known.Hashes) > 0 {
			p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "deleted by you"})
			return p.missed(f)
		}
		p.changes.Unchanged++
		return nil
	}
	declared, err := p.decls.find(path.Dir(f.Path), f.Decl)
	if err != nil {
		return err
	}
	if declared && !p.displaced(f) {
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Variant: f.Variant}
		p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "the package declares it already", News: true})
		return nil
	}
	if test := testOf(f); isTest(f.Path) && p.taken[test] {
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Variant: f.Variant}
		p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "you have a " + test + " already", News: true})
		return nil
	}
	pos, of, borrowed, err := p.decls.borrowed(path.Dir(f.Path), f.Decl)
	if err != nil {
		return err
	}
	if borrowed { // asked again in the next run: it has no entry, and the tree is not taken for current
		p.next.Inputs = nil
		if isTest(f.Path) {
			return nil
		}
		p.changes.Notes.Warn(pos, "write the method where that type is", "%s is %s, and Go takes %s nowhere but in the package of that: it is missing now", f.Decl.Type, of, f.Decl.Method)
		return nil
	}
	if f, err = p.written(f); err != nil {
		return err
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{Hash(f.Content)}, Variant: f.Variant}
	p.changes.change(Create, f, disk, "")
	return nil
}

// displaced reports whether the file goes from where it had another name: it is what a file is that goes.
func (p *planner) displaced(f fileset.File) bool {
	hash := hashOf(f)
	for name := range p.idle {
		if p.disk[name].hash == hash {
			return true
		}
	}
	return false
}

// missed says that a type which svcgen's own code needs went with a file of the user's.
func (p *planner) missed(f fileset.File) error {
	if f.Decl.Type == "" || f.Decl.Method != "" {
		return nil
	}
	declared, err := p.decls.find(path.Dir(f.Path), f.Decl)
	if err == nil && !declared {
		p.changes.Notes.Warn(diag.Pos{File: path.Dir(f.Path)}, "put it back; files may move, their package stays where it is",
			"%s is declared nowhere in it, and internal/gen/app makes it from there", f.Decl.Type)
	}
	return err
}

// occupied plans a file at whose path the user has one already. What it was to declare goes beside it, unless it is
// declared there or elsewhere.
func (p *planner) occupied(f fileset.File) error {
	f, err := p.written(f)
	if err != nil {
		return err
	}
	if disk := p.disk[f.Path]; disk.regular && disk.hash == Hash(f.Content) {
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{disk.hash}, Variant: f.Variant}
		p.changes.Unchanged++
		return nil
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: p.old.Files[f.Path].Hashes, Variant: f.Variant}
	declared, err := p.decls.find(path.Dir(f.Path), f.Decl)
	if err != nil || declared || f.Decl == (fileset.Decl{}) || isTest(f.Path) {
		p.changes.Unchanged++
		return err
	}
	return p.beside(f, besideSuffix, path.Base(f.Path)+" is yours")
}

// vary plans a user's file that was made for a choice of the manifest that is another one now, such as a migration
// for another database. Unedited, it gives way to the one for the new choice.
func (p *planner) vary(f fileset.File, disk found) error {
	hash := Hash(f.Content)
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}, Variant: f.Variant}
	switch {
	case disk.hash == hash:
		p.changes.Unchanged++
	case p.ours(f.Path, disk):
		p.changes.change(Update, f, disk, "for "+f.Variant)
	default:
		pending, err := p.tree.look(f.Path + PendingSuffix)
		if err != nil {
			return err
		}
		p.conflict(f, disk, pending, "you changed it, and it is for "+p.old.Files[f.Path].Variant)
	}
	return nil
}

// conflict plans to leave the user's file alone and to put what svcgen would have beside it.
func (p *planner) conflict(f fileset.File, disk, pending found, why string) {
	ours := fileset.File{Path: f.Path + PendingSuffix, Owner: fileset.Svcgen, Mode: f.Mode, Content: f.Content}
	f.Content = disk.content
	p.changes.act(Conflict, f, disk, fmt.Sprintf("%s: merge %s into it by hand, then delete that file", why, path.Base(ours.Path)))
	if pending.hash != Hash(ours.Content) {
		ours = like(disk, ours)
		p.changes.put(ours, pending, sum(ours.Content))
	}
}

// serves reports whether a file of the user's holds what has a file of another name by now, as when a second service
// has a method of that name.
func (p *planner) serves(name string, content []byte) bool {
	if path.Ext(name) != ".go" || path.Dir(name) != p.opt.Evolve.Folder {
		return false
	}
	file, errs := goedit.ParseFile(name, content)
	if errs != nil {
		return false
	}
	declares := file.Declares()
	for decl := range p.opt.Evolve.Places {
		if slices.Contains(declares, p.declared(decl)) {
			return true
		}
	}
	return false
}
