package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/svcgen/svcgen/generator/fileset"
)

// Apply brings the tree to set. It plans again once it is the only writer, so what it does fits what is there
// then; the changes it returns are the ones it made. An error means that no file was changed, unless it says
// that the next run finishes this one.
func (t *Tree) Apply(set *fileset.Set, opt Options) (*Changes, error) {
	if err := t.root.MkdirAll(stateDir, 0o777); err != nil {
		return nil, err
	}
	release, err := t.acquire()
	if err != nil {
		return nil, err
	}
	changes, err := t.applyLocked(set, opt)
	if freed := release(); err == nil && freed != nil {
		err = notCleared(freed)
	} else {
		err = errors.Join(err, freed)
	}
	return changes, err
}

// notCleared is what goes wrong when all files are in place. The next run clears up first.
func notCleared(err error) error {
	return fmt.Errorf("all files are written, svcgen regen finishes what is left to do: %w", err)
}

func (t *Tree) applyLocked(set *fileset.Set, opt Options) (*Changes, error) {
	begin := t.recoverLocked
	if t.fresh {
		begin = t.forget // it had not begun, or something would be there
	}
	if err := begin(); err != nil {
		return nil, err
	}
	changes, err := t.Plan(set, opt)
	if err != nil || changes.Empty() {
		return changes, err
	}
	entries, err := t.stage(changes.writes)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stage the new files: %w", err), t.forget())
	}
	if err := t.commit(entries); err != nil {
		return nil, err
	}
	return changes, nil
}

// writers is how many files are written at once. A disk answers many fsyncs together about as fast as one.
const writers = 16

// stage writes the new bytes of every change beside the tree, and makes sure they are on the disk.
func (t *Tree) stage(writes []write) ([]entry, error) {
	if err := t.root.MkdirAll(stageDir, 0o777); err != nil {
		return nil, err
	}
	entries := make([]entry, len(writes))
	var group errgroup.Group
	group.SetLimit(writers)
	for i, w := range writes {
		e := &entries[i]
		*e = entry{Path: w.Path, Owner: w.Owner, Old: w.old, New: w.new}
		if w.old != "" {
			e.Saved = path.Join(stageDir, fmt.Sprintf("%06d.old", i))
		}
		if w.new == "" {
			continue
		}
		e.Stage = path.Join(stageDir, fmt.Sprintf("%06d.new", i))
		group.Go(func() error { return t.write(e.Stage, w.Text(), w.Mode, w.old != "" && w.old != special) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return entries, t.settle(stageDir)
}

// write makes a new file that survives a crash of the machine, unless the tree is fresh. One that is to replace another
// gets its mode whatever the umask says.
func (t *Tree) write(name string, content []byte, mode fs.FileMode, replaces bool) error {
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm())
	if err != nil {
		return err
	}
	if replaces {
		err = f.Chmod(mode.Perm())
	}
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil && !t.fresh {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// commit writes the journal, then moves every file to its place. When one cannot be moved, those that were are
// moved back.
func (t *Tree) commit(entries []entry) error {
	text, err := json.Marshal(journal{Format: journalFormat, Entries: entries})
	if err != nil {
		return err
	}
	staged := path.Join(stageDir, "journal")
	err = t.write(staged, text, 0o644, false)
	if err == nil {
		err = t.root.Rename(staged, journalName)
	}
	if err == nil {
		err = t.settle(stateDir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write journal: %w", err), t.forget())
	}

	var made []string
	for i := range entries {
		if err := t.move(entries[i], &made); err != nil {
			return errors.Join(err, t.undo(entries[:i+1], made))
		}
	}
	if err := t.syncFolders(entries); err != nil {
		return notCleared(err)
	}
	t.prune(entries, entry.removes)
	if err := t.forget(); err != nil {
		return notCleared(err)
	}
	return nil
}

// errChanged says that somebody wrote to the tree between the comparison and the change.
var errChanged = errors.New("changed while svcgen was at work; run it again")

// move puts one file in place, if it is what it was. The folders it makes are added to made.
func (t *Tree) move(e entry, made *[]string) error {
	now, err := t.hashAt(e.Path)
	if err != nil {
		return err
	}
	if now != e.Old {
		return fmt.Errorf("%s: %w", e.Path, errChanged)
	}
	return t.place(e, made)
}

// place is what is left to do for one file. The old one is kept under a second name until all is done. Where a file
// cannot have two, it moves: for a moment there is no file, and the journal knows of it.
func (t *Tree) place(e entry, made *[]string) error {
	if e.removes() {
		return t.root.Rename(e.Path, e.Saved)
	}
	if e.Old != "" {
		saved, err := t.exists(e.Saved)
		if err != nil {
			return err
		}
		if !saved && (e.Old == special || t.root.Link(e.Path, e.Saved) != nil) {
			if err := t.root.Rename(e.Path, e.Saved); err != nil {
				return err
			}
		}
	}
	if err := t.makeFolders(path.Dir(e.Path), made); err != nil {
		return err
	}
	return t.root.Rename(e.Stage, e.Path)
}

// makeFolders is MkdirAll that tells what it made, the outermost first.
func (t *Tree) makeFolders(folder string, made *[]string) error {
	var missing []string
	for ; folder != "."; folder = path.Dir(folder) {
		there, err := t.exists(folder)
		if err != nil {
			return err
		}
		if there {
			break
		}
		missing = append(missing, folder)
	}
	for _, folder := range slices.Backward(missing) {
		if err := t.root.Mkdir(folder, 0o777); err != nil {
			return err
		}
		*made = append(*made, folder)
	}
	return nil
}

// undo takes entries back, the last first. At any moment of it the journal can still be followed to either end.
func (t *Tree) undo(entries []entry, made []string) error {
	var errs []error
	for _, e := range slices.Backward(entries) {
		errs = append(errs, t.undoOne(e))
	}
	for _, folder := range slices.Backward(made) {
		errs = append(errs, ignoreNotEmpty(t.root.Remove(folder)))
	}
	err := errors.Join(errs...)
	if err == nil {
		err = t.syncFolders(entries)
	}
	if err != nil {
		return fmt.Errorf("not all could be taken back, svcgen regen finishes this run: %w", err)
	}
	return t.forget()
}

// undoOne takes one entry back. What somebody has made of the file since then stays.
func (t *Tree) undoOne(e entry) error {
	now, err := t.hashAt(e.Path)
	if err != nil {
		return err
	}
	saved := e.creates() // there is nothing to put back
	if !saved {
		if saved, err = t.exists(e.Saved); err != nil || !saved {
			return err
		}
	}
	if !e.removes() {
		waits, err := t.exists(e.Stage)
		if err != nil {
			return err
		}
		if !waits {
			if now != e.New {
				return nil
			}
			if err := t.root.Rename(e.Path, e.Stage); err != nil {
				return err
			}
			now = ""
		}
	}
	if e.creates() || now != "" {
		return nil
	}
	return t.root.Rename(e.Saved, e.Path)
}

// prune removes the folders that are empty now, of those in which the entries were that which names. One that is not
// empty, or cannot be removed, stays.
func (t *Tree) prune(entries []entry, which func(entry) bool) {
	for _, e := range entries {
		if !which(e) {
			continue
		}
		for folder := path.Dir(e.Path); folder != "."; folder = path.Dir(folder) {
			if ignoreNotExist(t.root.Remove(folder)) != nil {
				break
			}
		}
	}
}

// settle makes what happened to the names in folder survive a crash of the machine, unless the tree is fresh.
func (t *Tree) settle(folder string) error {
	if t.fresh {
		return nil
	}
	return t.sync(folder)
}

// syncFolders makes the renames survive a crash of the machine.
func (t *Tree) syncFolders(entries []entry) error {
	folders := map[string]bool{}
	for _, e := range entries {
		for folder := path.Dir(e.Path); !folders[folder]; folder = path.Dir(folder) {
			folders[folder] = true
		}
	}
	var group errgroup.Group
	group.SetLimit(writers)
	for folder := range folders {
		group.Go(func() error {
			err := t.settle(folder)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}
