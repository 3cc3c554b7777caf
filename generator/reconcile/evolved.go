package reconcile

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/evolve"
	"github.com/svcgen/svcgen/generator/fileset"
)

// What the edits that evolve has made in memory do to the tree.

// edited plans the write of a file that was edited and stays where it is.
func (p *planner) edited(name string) error {
	if _, moves := p.moved[name]; moves || p.fresh[name] {
		return nil
	}
	disk, err := p.lookAgain(name)
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

// lookAgain looks at a file whose new text is made already. It must be the one that was made from: what somebody has
// saved since then would be lost.
func (p *planner) lookAgain(name string) (found, error) {
	disk, err := p.tree.look(name)
	if err != nil || !disk.regular {
		return disk, err
	}
	source, edited := p.source[name]
	planned, known := p.disk[name]
	if edited && !bytes.Equal(source, disk.content) || known && planned.hash != disk.hash {
		return disk, fmt.Errorf("%s: %w", name, errChanged)
	}
	return disk, nil
}

// evolved plans a file of the user's that the changed contract concerns. It reports whether that was all.
func (p *planner) evolved(f fileset.File) (done bool, err error) {
	decl := declOf(f)
	from, arrives := p.from[f.Path]
	text, edited := p.text[f.Path]
	_, restreamed := p.opt.Evolve.Restreamed(decl)
	if !arrives && !edited && !restreamed && !p.fresh[f.Path] && !p.spare[f.Path] {
		return false, nil
	}
	disk, err := p.whole(f.Path)
	if err != nil {
		return false, err
	}
	if f, err = p.written(f); err != nil {
		return false, err
	}
	switch {
	case arrives:
		if err := p.arrive(f, from); err != nil || isTest(f.Path) || p.parked[decl] == "" {
			return true, err
		}
		_, err := p.again(f)
		return true, err
	case p.spare[f.Path] && !isTest(f.Path) && p.parked[decl] == "":
		p.next.Files[f.Path] = Entry{Owner: f.Owner}
		p.changes.remove(f.Path, f.Owner, disk, superseded)
		return true, nil
	case p.fresh[f.Path] || p.spare[f.Path] && p.parked[decl] != "":
		hash := Hash(f.Content)
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}, Variant: f.Variant}
		if hash == disk.hash {
			p.changes.Unchanged++
			return true, nil
		}
		p.changes.change(Update, f, disk, "a stub nobody edited")
		return true, nil
	}
	if edited && bytes.Equal(unix(text), f.Content) {
		p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{Hash(text)}, Variant: f.Variant}
		return true, nil // it follows, and nobody has written in it
	}
	if !restreamed || isTest(f.Path) || !disk.exists && p.parked[decl] == "" {
		return false, nil
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: p.old.Files[f.Path].Hashes, Variant: f.Variant}
	return p.again(f)
}

// again plans a new stub beside the file with the method that cannot serve any more, unless the method is there.
func (p *planner) again(f fileset.File) (done bool, err error) {
	declared, err := p.decls.find(path.Dir(f.Path), f.Decl)
	if err != nil || declared {
		return false, err
	}
	suffix, _ := p.opt.Evolve.Restreamed(declOf(f))
	old := cmp.Or(p.parked[declOf(f)], f.Path)
	old = cmp.Or(p.moved[old], old)
	if !p.idle[old] {
		comment := fmt.Sprintf("//\n// %s %s, under another name.\nfunc (", evolve.Before, path.Base(old))
		f.Content = []byte(strings.Replace(string(f.Content), "func (", comment, 1))
	}
	return true, p.beside(f, "_"+suffix, "")
}

// arrive plans the new place of a file that is renamed with its method.
func (p *planner) arrive(f fileset.File, from string) error {
	was, err := p.lookAgain(from)
	if err != nil {
		return err
	}
	if !was.regular {
		return diag.List{{Pos: diag.Pos{File: from}, Message: "it is a symbolic link, and svcgen does not move those", Hint: "make it a file"}}
	}
	text, hashes := p.text[from], p.old.Files[from].Hashes
	if slices.Contains(hashes, was.hash) || bytes.Equal(unix(text), f.Content) {
		text, hashes = like(was, f).Content, []string{Hash(f.Content)} // nobody has written in it
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: hashes}
	f.Content, f.Mode = text, was.mode
	p.changes.Actions = append(p.changes.Actions, Action{
		Path: f.Path, From: from, Op: Rename, Owner: f.Owner, Note: "was " + from, Old: was.content, after: f,
	})
	p.changes.put(f, p.disk[f.Path], sum(text))
	return nil
}

// vacate removes the files that were moved, but for those in whose place is another.
func (p *planner) vacate() error {
	for _, from := range slices.Sorted(maps.Keys(p.moved)) {
		if slices.ContainsFunc(p.changes.writes, func(w write) bool { return w.Path == from }) {
			continue
		}
		was, err := p.lookAgain(from)
		if err != nil {
			return err
		}
		p.changes.put(fileset.File{Path: from, Owner: fileset.User}, was, "")
	}
	return nil
}

// dropBeside takes back what beside has made of f before the user said that it is a rename, if it is as it was made.
func (p *planner) dropBeside(f fileset.File, code draft) error {
	name := strings.TrimSuffix(f.Path, ".go") + besideSuffix + ".go"
	disk, err := p.tree.look(name)
	if err != nil || !disk.regular {
		return err
	}
	if f, err = p.written(f); err != nil || disk.hash != Hash(f.Content) {
		return err
	}
	code.drop(name)
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
	planned := slices.Collect(maps.Values(p.opt.Evolve.Places))
	for n := 2; ; n++ {
		taken, err := p.tree.exists(f.Path)
		if err != nil {
			return err
		}
		if _, made := p.next.Files[f.Path]; !taken && !made && !slices.Contains(planned, f.Path) {
			break
		}
		f.Path = fmt.Sprintf("%s%d.go", stem, n)
	}
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{Hash(f.Content)}}
	p.changes.change(Create, f, found{}, note)
	return nil
}
