package reconcile

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"path"
	"slices"
	"sync"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/merge"
)

// baseName is where a base is kept: under its hash, so that tools which look for a go.mod or a Dockerfile find none
// here, and two branches never change the same file.
func baseName(hash string) string { return path.Join(baseDir, hash) }

// baseTexts are what svcgen last rendered at name. One that was tampered with is none. After a merge of two branches there
// are two, of which the one that is rendered again is enough.
func (p *planner) baseTexts(name, again string) [][]byte {
	hashes := p.old.Files[name].Hashes
	if slices.Contains(hashes, again) {
		hashes = []string{again}
	}
	var texts [][]byte
	for _, hash := range hashes {
		if f := p.disk[baseName(hash)]; f.regular && f.hash == hash {
			texts = append(texts, unix(f.content))
		}
	}
	return texts
}

// merged plans a file that is the user's and is kept current: what changed between the base, which is what svcgen
// last rendered, and what it renders now is merged into the user's file.
func (p *planner) merged(f fileset.File) error {
	disk, pending := p.disk[f.Path], p.disk[f.Path+PendingSuffix]
	known, was := p.old.Files[f.Path]
	hash := Hash(f.Content)
	rendered := slices.Equal(known.Hashes, []string{hash}) // the last run already knew this content
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}}
	p.bases[hash] = f.Content

	switch {
	case !disk.exists && was:
		p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "deleted by you"})
		if f.Path == "go.mod" && !rendered { // the module of a folder around this one
			p.changes.Notes.Warn(diag.Pos{File: f.Path}, "run go mod tidy in the module that this folder is in",
				"deleted by you, and what svcgen generates may need other modules now")
		}
	case !disk.exists:
		taken, err := p.inTheWay(f)
		if err != nil {
			return err
		}
		if taken == "" {
			p.changes.change(Create, f, disk, "")
		} else {
			p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "the package has a " + taken + " already", News: true})
		}
	case pending.exists && was: // merged past it, it would be an old one
		p.conflict(f, disk, pending, "it is not merged yet")
	case disk.hash == hash, rendered:
		p.changes.Unchanged++
	case p.ours(f.Path, disk) && !p.requiresMore(f, disk):
		p.changes.change(Update, f, disk, "")
	default:
		p.threeWay(f, disk, pending)
	}
	return nil
}

// inTheWay is a name that f, which is new, would declare in its package and another file declares; empty: none.
func (p *planner) inTheWay(f fileset.File) (string, error) {
	folder := path.Dir(f.Path)
	bases, err := p.tree.bases(folder)
	if err != nil || !isGo(path.Base(f.Path)) {
		return "", ignoreNotExist(err)
	}
	own, errs := goedit.ParseFile(f.Path, f.Content)
	if errs != nil {
		return "", errs
	}
	names := map[string]bool{}
	own.TopLevel(names)
	for _, base := range slices.Sorted(slices.Values(bases)) {
		if !isGo(base) {
			continue
		}
		content, err := p.tree.GoFile(path.Join(folder, base))
		if err != nil {
			continue // told where it matters
		}
		other, errs := goedit.ParseFile(base, content)
		if errs != nil || other.Package() != own.Package() {
			continue
		}
		theirs := map[string]bool{}
		other.TopLevel(theirs)
		for name := range p.baseNames(path.Join(folder, base)) { // svcgen's own, which knows where they are to be
			delete(theirs, name)
		}
		for _, name := range slices.Sorted(maps.Keys(theirs)) {
			if names[name] {
				return name, nil
			}
		}
	}
	return "", nil
}

// baseNames are what a Go file that is kept current declared as svcgen last rendered it.
func (p *planner) baseNames(name string) map[string]bool {
	names := map[string]bool{}
	for _, text := range p.baseTexts(name, "") {
		if file, errs := goedit.ParseFile(name, text); errs == nil {
			file.TopLevel(names)
		}
	}
	return names
}

// requiresMore reports whether f is a go.mod of which code of the user's needs more than svcgen requires now, or the go.sum of
// one that is not as svcgen makes it.
func (p *planner) requiresMore(f fileset.File, disk found) bool {
	switch f.Path {
	case "go.mod":
		p.more = needed(disk.content, f.Content, p.uses())
		return p.more
	case "go.sum": // planned after it
		return p.more || !p.ours("go.mod", p.disk["go.mod"])
	}
	return false
}

func (p *planner) threeWay(f fileset.File, disk, pending found) {
	if !disk.regular {
		p.conflict(f, disk, pending, "it is no regular file, and svcgen writes through no link")
		return
	}
	bases := p.baseTexts(f.Path, Hash(f.Content))
	unmerged, joined := diag.Unmerged(f.Path, disk.content)
	ours := disk.content
	if joined {
		bases = p.baseTexts(f.Path, "")
		ours = withoutConflicts(disk.content, append(slices.Clone(bases), f.Content)...)
		if len(bases) > 1 { // what only the other branch made is to go
			bases = slices.DeleteFunc(bases, func(base []byte) bool { return bytes.Equal(base, f.Content) })
		}
	}
	if ours == nil || joined && len(bases) == 0 {
		p.decls.errs = append(p.decls.errs, unmerged)
		return
	}
	if len(bases) == 0 {
		p.conflict(f, disk, pending, "what svcgen wrote before is not known")
		return
	}
	var text []byte
	var err error
	for _, base := range bases {
		if text, err = mergeFile(f.Path, base, ours, f.Content, p.uses()); err == nil {
			break
		}
	}
	switch {
	case err != nil && joined:
		p.decls.errs = append(p.decls.errs, unmerged)
		return
	case err != nil:
		p.conflict(f, disk, pending, err.Error())
		return
	}
	if bytes.Equal(text, disk.content) {
		p.changes.Unchanged++
		return
	}
	f.Content = text
	p.changes.change(Merge, f, disk, "")
}

// withoutConflicts is text without its merge conflicts, where all their lines are svcgen's own: nobody has to choose between two
// tables of methods that are made again anyway. Of each it has the side that stands first. It is nil where a line may be
// somebody's.
func withoutConflicts(text []byte, own ...[]byte) []byte {
	known := map[string]bool{"": true}
	for _, content := range own {
		for line := range bytes.Lines(content) {
			known[string(bytes.TrimSpace(line))] = true
		}
	}
	out := []byte{}
	inside, first := false, true
	for line := range bytes.Lines(text) {
		switch mark := diag.MarkerOf(line); {
		case mark == diag.OursMarker:
			inside = true
		case inside && mark == diag.EndMarker:
			inside, first = false, true
		case inside && mark != diag.NoMarker:
			first = false
		case inside && !known[string(bytes.TrimSpace(line))]:
			return nil
		case first:
			out = append(out, line...)
		}
	}
	if inside {
		return nil
	}
	return out
}

var errSameLines = errors.New("your changes and svcgen's touch the same lines")

// uses returns what tells whether code that is not as svcgen left it names a package of a module. It is read when that is
// first asked.
func (p *planner) uses() func(module string) bool {
	read := sync.OnceValues(func() (map[string][]byte, error) {
		theirs := func(name string) bool { return !p.ours(name, p.disk[name]) }
		return p.tree.goFiles(func(dir string) bool { return !Generated(dir) }, theirs, math.MaxInt)
	})
	return func(module string) bool {
		files, err := read()
		for _, src := range files {
			if bytes.Contains(src, []byte(`"`+module)) {
				return true
			}
		}
		return err != nil
	}
}

// mergeFile merges what changed from base to theirs into ours: by lines, and by meaning where lines say little. An error is
// why that has to be done by hand.
func mergeFile(name string, base, ours, theirs []byte, used func(module string) bool) (merged []byte, err error) {
	switch name {
	case "go.mod":
		merged, err := mergeGoMod(base, ours, theirs, used)
		return withLineEnds(ours, merged), err
	case "go.sum":
		return withLineEnds(ours, mergeGoSum(ours, theirs)), nil
	default:
		merged, conflicts := merge.ThreeWay(base, ours, theirs)
		if conflicts != nil {
			err = errSameLines
		}
		return merged, err
	}
}

// keepBases plans the bases the next run will need, and drops those of the last.
func (p *planner) keepBases() error {
	for _, hash := range slices.Sorted(maps.Keys(p.bases)) {
		there, err := p.tree.look(baseName(hash))
		if err != nil {
			return err
		}
		if there.hash != hash {
			p.changes.own(baseName(hash), there, p.bases[hash])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.old.Files)) {
		entry := p.old.Files[name]
		if entry.Owner != fileset.Merged {
			continue
		}
		for _, hash := range entry.Hashes {
			f := p.disk[baseName(hash)]
			if _, needed := p.bases[hash]; needed || !f.exists {
				continue
			}
			p.changes.put(fileset.File{Path: baseName(hash), Owner: fileset.Svcgen}, f, "")
			p.bases[hash] = nil // dropped once, also where two files share it
		}
	}
	return nil
}
