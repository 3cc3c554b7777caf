package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/svcgen/svcgen/generator/fileset"
)

// journal is the list of renames a run has decided on. Once it is on disk the run will be finished, by this
// process or by the next; before that, nothing has happened.
type journal struct {
	Format  int      `json:"format"`
	Entries []entry  `json:"entries"`
	Folders []string `json:"folders,omitempty"` // that were not there, and are made for the entries
}

// entry is one file to replace, create (Old is empty) or remove (New is empty).
type entry struct {
	Path  string        `json:"path"`
	Owner fileset.Owner `json:"owner"`
	Old   string        `json:"old,omitempty"`
	New   string        `json:"new,omitempty"`
	Stage string        `json:"stage,omitempty"` // where the new bytes wait
	Saved string        `json:"saved,omitempty"` // a second name of the old file, to go back to
}

const journalFormat = 1

func (e entry) removes() bool { return e.New == "" }

func (e entry) creates() bool { return e.Old == "" }

// Interrupted reports whether a run was interrupted, and left something to finish or to forget.
func (t *Tree) Interrupted() (bool, error) {
	staged, err := t.exists(stageDir)
	if err != nil || staged {
		return staged, err
	}
	return t.exists(journalName)
}

// Recover ends what an interrupted run has begun, and clears up after it. It reports whether there was one.
func (t *Tree) Recover() (bool, error) {
	interrupted, err := t.Interrupted()
	if err != nil {
		return false, err
	}
	left := interrupted
	for _, name := range []string{mutexName, memoryName + freshSuffix} { // all that a run killed at its end leaves
		there, err := t.exists(name)
		if err != nil {
			return false, err
		}
		left = left || there
	}
	if !left {
		return false, nil
	}
	release, err := t.acquire()
	if err != nil {
		return false, err
	}
	return interrupted, errors.Join(t.recoverLocked(), release())
}

// recoverLocked goes on to the end that an interrupted run had decided on. When somebody has changed a file that it had
// not come to yet, nothing is decided about what is there now: the run is taken back, and the next comparison sees it.
func (t *Tree) recoverLocked() error {
	if err := ignoreNotExist(t.root.Remove(memoryName + freshSuffix)); err != nil {
		return err
	}
	text, err := t.root.ReadFile(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return t.root.RemoveAll(stageDir)
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	j, err := parseJournal(text)
	if err != nil {
		return err
	}
	if err := t.follow(j); err != nil {
		return fmt.Errorf("finish the interrupted run: %w", err)
	}
	return nil
}

// follow brings the tree to one of the two ends of the journal.
func (t *Tree) follow(j journal) error {
	if err := t.root.MkdirAll(stageDir, 0o777); err != nil {
		return err
	}
	for _, e := range j.Entries {
		switch step, err := t.stepOf(e); {
		case err != nil:
			return err
		case step == undecided:
			return t.undo(j.Entries, j.Folders)
		}
	}
	return t.advance(j)
}

// advance takes every file to its place. Each is looked at once more, as somebody may have saved it meanwhile.
func (t *Tree) advance(j journal) error {
	for _, e := range j.Entries {
		switch step, err := t.stepOf(e); {
		case err != nil:
			return err
		case step == undecided:
			return t.undo(j.Entries, j.Folders)
		case step == waiting:
			if err := t.place(e); err != nil {
				return err
			}
		}
	}
	return t.finish(j.Entries)
}

// step is how far an interrupted run came with one file.
type step int

const (
	waiting   step = iota // it is the old one, and the new one is ready
	arrived               // it is the new one
	theirs                // somebody made it, or changed or deleted the new one, which had arrived
	undecided             // somebody changed or deleted the old one, or the new one is no more
)

func (t *Tree) stepOf(e entry) (step, error) {
	now, err := t.hashAt(e.Path)
	switch {
	case err != nil:
		return undecided, err
	case now == e.New:
		return arrived, nil
	case e.removes() && now == e.Old:
		return waiting, nil
	case e.removes():
		return undecided, nil
	}
	staged, err := t.hashAt(e.Stage)
	switch {
	case err != nil:
		return undecided, err
	case staged == "" && (now != e.Old || e.creates()):
		return theirs, nil
	case staged != e.New:
		return undecided, nil
	case now == e.Old:
		return waiting, nil
	case e.creates():
		return theirs, nil
	case now != "":
		return undecided, nil
	}
	// Between the two renames of place there is no file.
	saved, err := t.exists(e.Saved)
	if err != nil || !saved {
		return undecided, err
	}
	return waiting, nil
}

// parseJournal reads a journal, and refuses one that svcgen would not write.
func parseJournal(text []byte) (journal, error) {
	var j journal
	if err := json.Unmarshal(text, &j); err != nil || j.Format != journalFormat {
		return journal{}, fmt.Errorf("%s cannot be read; if it is not yours, remove %s", journalName, stateDir)
	}
	refuse := func(name string) error {
		return fmt.Errorf("%s has an entry for %q that svcgen would not make; if it is not yours, remove %s", journalName, name, stateDir)
	}
	staged := func(name string) bool { return path.Dir(name) == stageDir && fs.ValidPath(name) }
	for _, e := range j.Entries {
		ok := fs.ValidPath(e.Path) && e.Path != "." && e.Path != journalName && path.Dir(e.Path) != stageDir &&
			(e.Old != "" || e.New != "") && staged(e.Stage) == (e.New != "") && staged(e.Saved) == (e.Old != "") &&
			(e.Stage == "" || e.New != "") && (e.Saved == "" || e.Old != "") && e.Stage != e.Saved
		if !ok {
			return journal{}, refuse(e.Path)
		}
	}
	around := foldersOf(j.Entries, entry.creates)
	for _, folder := range j.Folders {
		if !slices.Contains(around, folder) {
			return journal{}, refuse(folder)
		}
	}
	return j, nil
}

// hashAt is the hash of the file at name: empty for none, special for what is not a regular file.
func (t *Tree) hashAt(name string) (string, error) {
	f, err := t.look(name)
	var folder *folderError
	switch {
	case errors.As(err, &folder):
		return "folder", nil
	case err != nil || !f.exists:
		return "", err
	case !f.regular:
		return special, nil
	default:
		return f.sum, nil
	}
}

// forget drops what a run leaves behind. The journal goes first, and for good: without it, what is staged is of no
// use; without what is staged, it could not be followed.
func (t *Tree) forget() error {
	if err := t.root.Remove(journalName); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	} else if err := t.settle(stateDir); err != nil {
		return err
	}
	return t.root.RemoveAll(stageDir)
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
