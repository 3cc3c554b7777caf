package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/parallel"
)

// Apply brings the tree to set. It plans as the only writer, so what it does fits what is there then; the changes it
// returns are the ones it made. An error means that no file was changed, unless it is an UnfinishedError; with changes,
// all of them were made.
func (t *Tree) Apply(set *fileset.Set, opt Options) (*Changes, error) {
	if !t.outdated(opt) { // perhaps there is nothing to do, and nothing is touched then: not everybody may write to the tree
		changes, err := t.Plan(set, opt)
		if err != nil {
			return nil, err
		}
		if changes.Empty() {
			return changes, nil
		}
	}
	if err := t.root.MkdirAll(stateDir, 0o777); err != nil {
		return nil, err
	}
	release, err := t.acquire()
	if err != nil {
		return nil, err
	}
	changes, err := t.applyLocked(set, opt)
	if freed := release(); err == nil && freed != nil {
		err = &UnfinishedError{written, freed}
	} else {
		err = errors.Join(err, freed)
	}
	return changes, err
}

// UnfinishedError says how far a run came that the next one finishes.
type UnfinishedError struct {
	How string
	Err error
}

// How far a run can come: written is when only clearing up is left.
const (
	written   = "all files are written, svcgen regen finishes what is left to do"
	takenBack = "not all could be taken back, svcgen regen finishes this run"
)

func (e *UnfinishedError) Error() string { return e.How + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnfinishedError) Unwrap() error { return e.Err }

func (t *Tree) applyLocked(set *fileset.Set, opt Options) (*Changes, error) {
	begin := t.recoverLocked
	if t.fresh {
		begin = t.forget // it had not begun, or something would be there
	}
	if err := begin(); err != nil {
		return nil, err
	}
	changes, err := t.Plan(set, opt)
	if err != nil {
		return nil, err
	}
	if changes.Empty() {
		return changes, nil
	}
	if opt.Before != nil {
		if err := opt.Before(changes); err != nil {
			return nil, err
		}
	}
	entries, err := t.stage(changes.writes)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("stage the new files: %w", err), t.forget())
	}
	if err := t.commit(entries); err != nil {
		return nil, err
	}
	if err := t.finish(entries); err != nil {
		return changes, &UnfinishedError{written, err}
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
	var group parallel.Group
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
	made, err := t.record(entries)
	if err != nil {
		return errors.Join(fmt.Errorf("write journal: %w", err), t.forget())
	}
	for i, e := range entries {
		if err := t.unchanged(e); err != nil {
			return errors.Join(err, t.undo(entries[:i], made))
		}
		if err := t.place(e); err != nil {
			return errors.Join(err, t.undo(entries[:i+1], made))
		}
	}
	return nil
}

// record writes the journal, and returns the folders that it says are to be made.
func (t *Tree) record(entries []entry) (made []string, err error) {
	for _, folder := range foldersOf(entries, entry.creates) {
		there, err := t.exists(folder)
		if err != nil {
			return nil, err
		}
		if !there {
			made = append(made, folder)
		}
	}
	text, err := json.Marshal(journal{Format: journalFormat, Entries: entries, Folders: made})
	if err != nil {
		return nil, err
	}
	staged := path.Join(stageDir, "journal")
	if err := t.write(staged, text, 0o644, false); err != nil {
		return nil, err
	}
	if err := t.root.Rename(staged, journalName); err != nil {
		return nil, err
	}
	return made, t.settle(stateDir)
}

// errChanged says that somebody wrote to the tree between the comparison and the change.
var errChanged = errors.New("changed while svcgen was at work; run it again")

// unchanged returns an error unless a file is what it was when its change was planned.
func (t *Tree) unchanged(e entry) error {
	now, err := t.hashAt(e.Path)
	if err != nil {
		return err
	}
	if now != e.Old {
		return fmt.Errorf("%s: %w", e.Path, errChanged)
	}
	return nil
}

// place is what is left to do for one file. The old one is kept under a second name until all is done. Where a file
// cannot have two, it moves: for a moment there is no file, and the journal knows of it.
func (t *Tree) place(e entry) error {
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
	folder := path.Dir(e.Path)
	there, err := t.exists(folder)
	if err == nil && !there {
		err = t.root.MkdirAll(folder, 0o777)
	}
	if err != nil {
		return err
	}
	return t.root.Rename(e.Stage, e.Path)
}

// undo takes entries back, the last first, and the folders that were made for them. At any moment of it the journal can
// still be followed to either end.
func (t *Tree) undo(entries []entry, made []string) error {
	var errs []error
	for _, e := range slices.Backward(entries) {
		errs = append(errs, t.undoOne(e))
	}
	err := errors.Join(append(errs, t.removeEmpty(made))...)
	if err == nil {
		err = t.syncFolders(entries)
	}
	if err != nil {
		return &UnfinishedError{takenBack, err}
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

// finish is what is left to do when every file is in its place.
func (t *Tree) finish(entries []entry) error {
	if err := t.removeEmpty(foldersOf(entries, entry.removes)); err != nil {
		return &EmptyFolderError{err}
	}
	if err := t.syncFolders(entries); err != nil {
		return err
	}
	return t.forget()
}

// EmptyFolderError says that all files are in place, and that a folder which svcgen's files have left cannot be removed.
// The next run tries again.
type EmptyFolderError struct{ Err error }

func (e *EmptyFolderError) Error() string {
	return "a folder is empty now and cannot be removed: " + e.Err.Error()
}

func (e *EmptyFolderError) Unwrap() error { return e.Err }

// removeEmpty removes those of folders in which nothing is; an outer one stands before what is in it. One with something
// in it is not tried, for it might be refused for another reason than that.
func (t *Tree) removeEmpty(folders []string) error {
	for _, folder := range slices.Backward(folders) {
		info, err := t.root.Lstat(folder)
		if err == nil && info.IsDir() { // a symbolic link is somebody's
			var inside []fs.DirEntry
			if inside, err = fs.ReadDir(t.FS(), folder); err == nil && len(inside) == 0 {
				err = t.root.Remove(folder)
			}
		}
		if err = ignoreNotEmpty(err); err != nil && !isNotDirectory(err) {
			return err
		}
	}
	return nil
}

// foldersOf are the folders around those entries that which names, an outer one before what is in it.
func foldersOf(entries []entry, which func(entry) bool) []string {
	folders := map[string]bool{}
	for _, e := range entries {
		for folder := path.Dir(e.Path); which(e) && folder != "." && !folders[folder]; folder = path.Dir(folder) {
			folders[folder] = true
		}
	}
	return slices.Sorted(maps.Keys(folders))
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
	var group parallel.Group
	group.SetLimit(writers)
	for _, folder := range append(foldersOf(entries, func(entry) bool { return true }), ".") {
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
