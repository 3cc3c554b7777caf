package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/evolve"
	"github.com/svcgen/svcgen/generator/fileset"
)

// Options is what a run depends on beside the files.
type Options struct {
	Version   string      // of svcgen
	Inputs    []Input     // what the set was made from
	Overwrite bool        // replace hand-edited files of svcgen's, after saving them under .svcgen/rescued
	Evolve    evolve.Plan // what a changed contract asks of the user's code
	Thorough  bool        // read every file, whatever is remembered of it

	Before func(*Changes) error // is told what Apply is about to do; with an error, nothing is done
}

// planner compares one set with one tree.
type planner struct {
	tree    *Tree
	opt     Options
	old     Lock
	next    Lock
	disk    map[string]found
	bases   map[string][]byte // what the merged files of next start from, by hash
	decls   declarations
	changes Changes

	more     bool              // go.mod keeps a requirement that is the user's now
	taken    map[string]bool   // names that the user's package declares, its tests too
	generics map[string]string // of a type that is a generic one with type arguments: the receiver of its methods
	evolution
}

// Plan says what has to be done to bring the tree to set. It writes nothing. When files that svcgen owns were
// changed by hand the error is an *EditedError and the changes are what can be shown, not applied.
func (t *Tree) Plan(set *fileset.Set, opt Options) (*Changes, error) {
	changes, err := t.plan(set, opt)
	if errors.Is(err, errMisremembered) {
		opt.Thorough = true
		changes, err = t.plan(set, opt)
	}
	return changes, err
}

// errMisremembered says that a file is not what its size and time say.
var errMisremembered = errors.New("not what it was remembered as")

func (t *Tree) plan(set *fileset.Set, opt Options) (*Changes, error) {
	old, err := t.Lock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if Newer(old.Version, opt.Version) {
		return nil, &NewerError{Tree: old.Version, Own: opt.Version}
	}
	p := &planner{
		tree: t, opt: opt, old: old,
		next:  Lock{Version: opt.Version, Inputs: opt.Inputs, Files: map[string]Entry{}},
		bases: map[string][]byte{},
		decls: declarations{tree: t, module: module(set)},
	}
	if err := p.folder(); err != nil {
		return nil, err
	}
	if err := p.read(set); err != nil {
		return nil, err
	}
	if err := p.names(); err != nil {
		return nil, err
	}
	if err := p.evolve(set); err != nil {
		return nil, err
	}
	var making []string
	for _, f := range set.Files() {
		if f.Kept.InTheMaking() {
			making = append(making, f.Path)
			_, err = p.whole(f.Path) // which it is likely to replace
		} else {
			err = p.file(f)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := set.Finish(); err != nil {
		return nil, err
	}
	for _, name := range making {
		f, _ := set.Get(name)
		if err := p.file(f); err != nil {
			return nil, err
		}
	}
	for name, entry := range old.Files {
		if _, planned := set.Get(name); !planned {
			if err := p.gone(name, entry); err != nil {
				return nil, err
			}
		}
	}
	if errs := p.decls.errs; len(errs) > 0 {
		return nil, errs
	}
	if err := p.vacate(); err != nil {
		return nil, err
	}
	if err := p.keepBases(); err != nil {
		return nil, err
	}
	if err := p.lock(); err != nil {
		return nil, err
	}
	if err := p.tellVendor(); err != nil {
		return nil, err
	}
	if err := p.room(); err != nil {
		return nil, err
	}
	p.changes.sort()
	t.still = p.still()
	edited := slices.DeleteFunc(slices.Clone(p.changes.Actions), func(a Action) bool { return a.Op != Edited })
	if len(edited) > 0 {
		return &p.changes, &EditedError{edited}
	}
	return &p.changes, nil
}

// still are the files that are what is remembered of them, and stay as they are: see whole.
func (p *planner) still() map[string]bool {
	still := map[string]bool{}
	for name, f := range p.disk {
		if f.unread {
			still[name] = true
		}
	}
	return still
}

// folder refuses a user's package that is not where it seems to be: what is behind a link is not edited.
func (p *planner) folder() error {
	for name := p.opt.Evolve.Folder; name != "" && name != "."; name = path.Dir(name) {
		info, err := p.tree.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return diag.List{{
				Pos:     diag.Pos{File: name},
				Message: "it is a symbolic link, and svcgen does not edit your code through one",
				Hint:    "make it a folder",
			}}
		}
	}
	return nil
}

// room refuses a file, or a link to none, where a folder has to be: found only when the files are moved, it would be in the way of
// moving them back too.
func (p *planner) room() error {
	folders := map[string]bool{}
	for _, w := range p.changes.writes {
		for folder := path.Dir(w.Path); w.old == "" && folder != "." && !folders[folder]; folder = path.Dir(folder) {
			folders[folder] = true
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		there, err := p.tree.exists(folder)
		if err != nil {
			return err
		}
		info, err := p.tree.root.Stat(folder)
		if there && (errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir()) {
			return fmt.Errorf("%s is a file, where a folder should be", folder)
		}
	}
	return nil
}

// tellVendor says that the modules in vendor are not those of go.mod any more.
func (p *planner) tellVendor() error {
	if !slices.ContainsFunc(p.changes.writes, func(w write) bool { return w.Path == "go.mod" }) {
		return nil
	}
	there, err := p.tree.exists(vendored)
	if there {
		p.changes.Notes.Warn(diag.Pos{File: vendored}, "run go mod vendor",
			"go.mod changes, and go builds nothing while this does not say the same")
	}
	return err
}

// vendored is where go mod vendor notes what it has copied.
const vendored = "vendor/modules.txt"

// module is the path of the Go module that the set makes.
func module(set *fileset.Set) string {
	mod, _ := set.Get("go.mod")
	return modfile.ModulePath(mod.Content)
}

// NewerError says that the tree was written by a newer svcgen.
type NewerError struct{ Tree, Own string }

func (e *NewerError) Error() string {
	return fmt.Sprintf("this tree was written by svcgen %s, and this is %s: an older one would undo what the newer one did", e.Tree, e.Own)
}

// read looks at every file that a decision may need.
func (p *planner) read(set *fileset.Set) error {
	names := make(map[string]string, len(p.old.Files)) // none has to be there
	add := func(name string, owner fileset.Owner) {
		names[name] = ""
		if owner == fileset.Merged {
			names[name+PendingSuffix] = ""
		}
		if entry := p.old.Files[name]; entry.Owner == fileset.Merged {
			for _, hash := range entry.Hashes {
				names[baseName(hash)] = ""
			}
		}
	}
	for _, f := range set.Files() {
		add(f.Path, f.Owner)
	}
	for name, entry := range p.old.Files {
		if _, planned := set.Get(name); !planned {
			add(name, entry.Owner)
		}
	}
	p.disk = make(map[string]found, len(names))
	var known memory
	if !p.opt.Thorough {
		known = p.tree.wholeMemory()
	}
	var mu sync.Mutex
	return p.tree.eachFolder(names, func(folder *os.Root, dir string, names []string) error {
		here := Tree{root: folder}
		for _, base := range names {
			name := path.Join(dir, base)
			var f found
			var err error
			planned, is := set.Get(name)
			if is && planned.Owner != fileset.Merged && planned.Variant == "" || !is && p.old.Files[name].Owner == fileset.Svcgen {
				f, err = here.glance(base, known, known.files[name])
			} else {
				f, err = here.look(base)
			}
			if err != nil {
				return inFolder(dir, err)
			}
			mu.Lock()
			p.disk[name] = f
			mu.Unlock()
		}
		return nil
	})
}

func (p *planner) file(f fileset.File) error {
	switch f.Owner {
	case fileset.Svcgen:
		return p.own(f)
	case fileset.User:
		return p.users(f)
	case fileset.Merged:
		f, err := p.written(f)
		if err != nil {
			return err
		}
		return p.merged(f)
	default:
		return fmt.Errorf("%s: unknown owner %q", f.Path, f.Owner)
	}
}

// own plans a file that svcgen rewrites whenever it differs.
func (p *planner) own(f fileset.File) error {
	hash := hashOf(f)
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}}
	if disk := p.disk[f.Path]; disk.regular && disk.hash == hash {
		p.changes.Unchanged++
		return nil
	}
	disk, err := p.whole(f.Path)
	if err != nil {
		return err
	}
	if f, err = p.written(f); err != nil {
		return err
	}
	if f = like(disk, f); f.Packed == nil { // what is packed is code, with line endings of svcgen's
		hash = sumOf(f.Content, hash)
	}
	switch {
	case strings.HasPrefix(f.Path, stateDir+"/"):
		// Nobody edits what svcgen keeps for itself, or wants to read of it.
	case !disk.exists:
		p.changes.act(Create, f, disk, "")
	case p.ours(f.Path, disk):
		p.changes.act(Update, f, disk, "")
	case p.opt.Overwrite || p.joined(f.Path, disk):
		saved, err := p.rescue(f.Path, disk)
		if err != nil {
			return err
		}
		p.changes.act(Update, f, disk, saved)
	default:
		note := ""
		if _, known := p.old.Files[f.Path]; !known {
			note = NotOurs
		}
		p.changes.act(Edited, f, disk, note)
		return nil
	}
	p.changes.put(f, disk, hash)
	return nil
}

// whole is what is at name, with its content. Whatever is to be replaced or removed is read by it.
func (p *planner) whole(name string) (found, error) {
	if !p.disk[name].unread {
		return p.disk[name], nil
	}
	disk, err := p.tree.look(name)
	if err == nil && disk.hash != p.disk[name].hash {
		err = errMisremembered // what was decided of it was decided wrongly
	}
	p.disk[name] = disk
	return disk, err
}

// NotOurs is the note on a file that svcgen never wrote, at a path it has a file for now.
const NotOurs = "svcgen did not write it, and has a file of that name now"

// joined reports whether what is on disk comes of a merge of two branches that svcgen had both written: git joined
// the two, or could not. What should be there is in neither.
func (p *planner) joined(name string, disk found) bool {
	return len(p.old.Files[name].Hashes) > 1 || len(p.old.Files[name].Hashes) > 0 && diag.ConflictMarker(disk.content) > 0
}

// ours reports whether what is on disk is what svcgen wrote.
func (p *planner) ours(name string, disk found) bool {
	return disk.regular && slices.Contains(p.old.Files[name].Hashes, disk.hash)
}

// rescue plans to save a hand edit, and says where.
func (p *planner) rescue(name string, disk found) (string, error) {
	if !disk.regular {
		return "what was there is no regular file, and is replaced", nil
	}
	for n := 0; ; n++ {
		to := path.Join(rescuedDir, name)
		if n > 0 {
			to = fmt.Sprintf("%s.%d", to, n)
		}
		taken, err := p.tree.look(to)
		if err != nil {
			return "", err
		}
		if taken.regular && taken.sum == disk.sum {
			return "your edit is saved as " + to, nil
		}
		if !taken.exists {
			p.changes.put(fileset.File{Path: to, Owner: fileset.User, Mode: disk.mode, Content: disk.content}, found{}, disk.sum)
			return "your edit is saved as " + to, nil
		}
	}
}

// gone plans what happens to a file that is no longer planned.
func (p *planner) gone(name string, entry Entry) error {
	disk, err := p.whole(name)
	if err != nil {
		return err
	}
	users := entry.Owner == fileset.User
	will, edited := p.decls.overlay[name]
	if !edited {
		will = disk.content
	}
	same := p.old.origin() == p.next.origin()
	switch {
	case users && p.idle[name]:
		p.changes.remove(name, entry.Owner, disk, untouched)
	case users && edited && will == nil: // moved, or removed for another
	case users && same: // what the user does to it leaves the lock as it is
		p.next.Files[name] = entry
	case !disk.exists:
	case users && p.serves(name, will):
		if p.ours(name, disk) {
			entry.Hashes = []string{Hash(will)}
		}
		p.next.Files[name] = entry
	case users && edited: // and told
	case users:
		p.changes.Kept = append(p.changes.Kept, Kept{Path: name, Why: "yours; svcgen has no more use for it", News: true})
	case p.ours(name, disk):
		p.changes.remove(name, entry.Owner, disk, "")
	case entry.Owner == fileset.Merged:
		kept := Kept{Path: name, Why: "changed by you; svcgen has no more use for it", News: entry.Variant != resting}
		p.changes.Kept = append(p.changes.Kept, kept)
		entry.Variant = resting
		p.next.Files[name] = entry
		for _, hash := range entry.Hashes {
			if base := p.disk[baseName(hash)]; base.regular && base.hash == hash {
				p.bases[hash] = base.content
			}
		}
	case p.opt.Overwrite:
		saved, err := p.rescue(name, disk)
		if err != nil {
			return err
		}
		p.changes.remove(name, entry.Owner, disk, saved)
	default:
		p.changes.act(Edited, fileset.File{Path: name, Owner: entry.Owner}, disk, "no longer planned")
	}
	return nil
}

// outdated reports whether svcgen.lock will say something else, whatever the files are: the tree was made from something else, or
// by another svcgen. It says yes where there is none, or one that cannot be read.
func (t *Tree) outdated(opt Options) bool {
	old, err := t.Lock()
	return err != nil || old.origin() != Lock{Version: opt.Version, Inputs: opt.Inputs}.origin()
}

// lock plans svcgen.lock, last.
func (p *planner) lock() error {
	disk, err := p.tree.look(LockName)
	if err != nil {
		return err
	}
	text := p.next.Format()
	if disk.hash == Hash(text) {
		return nil
	}
	p.changes.own(LockName, disk, text)
	return nil
}
