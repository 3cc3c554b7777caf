package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/svcgen/svcgen/generator/fileset"
)

// journal is the list of renames a run has decided on. Once it is on disk the run will be finished, by this
// process or by the next; before that, nothing has happened.
type journal struct {
	Format  int     `json:"format"`
	Entries []entry `json:"entries"`
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

// Interrupted reports whether a run was interrupted, and left something to finish or to forget.
func (t *Tree) Interrupted() (bool, error) {
	staged, err := t.exists(stageDir)
	if err != nil || staged {
		return staged, err
	}
	return t.exists(journalName)
}

// Recover finishes what an interrupted run had decided on, or forgets a run that had not decided yet. It reports
// whether there was one.
func (t *Tree) Recover() (bool, error) {
	interrupted, err := t.Interrupted()
	if err != nil || !interrupted {
		return false, err
	}
	release, err := t.acquire()
	if err != nil {
		return false, err
	}
	return true, errors.Join(t.recoverLocked(), release())
}

func (t *Tree) recoverLocked() error {
	text, err := t.root.ReadFile(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return t.forget()
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil || j.Format != journalFormat {
		return fmt.Errorf("%s cannot be read; if it is not yours, remove %s", journalName, stateDir)
	}
	for _, e := range j.Entries {
		if !fs.ValidPath(e.Path) || path.Dir(e.Stage) != stageDir && e.Stage != "" {
			return fmt.Errorf("%s names %q, which svcgen would not", journalName, e.Path)
		}
	}
	for i := range j.Entries {
		if err := t.redo(&j.Entries[i]); err != nil {
			return fmt.Errorf("finish the interrupted run: %w", err)
		}
	}
	if err := t.syncFolders(j.Entries); err != nil {
		return err
	}
	return t.forget()
}

// redo brings one entry to its end. A file that was changed since the run was interrupted stays as it is, and the
// next comparison sees it.
func (t *Tree) redo(e *entry) error {
	now, err := t.hashAt(e.Path)
	if err != nil || now == e.New {
		return err
	}
	saved := false
	if now == "" && e.Saved != "" {
		if saved, err = t.exists(e.Saved); err != nil {
			return err
		}
	}
	if now != e.Old && !saved {
		if e.Owner != fileset.Merged || e.Stage == "" {
			return nil
		}
		return t.root.Rename(e.Stage, e.Path+PendingSuffix)
	}
	if e.New == "" {
		return t.root.Remove(e.Path)
	}
	staged, err := t.hashAt(e.Stage)
	if err != nil {
		return err
	}
	if staged != e.New {
		return fmt.Errorf("%s, which is to become %s, is not what was staged", e.Stage, e.Path)
	}
	if err := t.root.MkdirAll(path.Dir(e.Path), 0o777); err != nil {
		return err
	}
	return t.root.Rename(e.Stage, e.Path)
}

// hashAt is the hash of the file at name: empty for none, special for what is not a regular file.
func (t *Tree) hashAt(name string) (string, error) {
	f, err := t.look(name)
	switch {
	case err != nil || !f.exists:
		return "", err
	case !f.regular:
		return special, nil
	default:
		return f.hash, nil
	}
}

// forget drops what a run leaves behind, the journal last.
func (t *Tree) forget() error {
	if err := t.root.RemoveAll(stageDir); err != nil {
		return err
	}
	if err := t.root.Remove(journalName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return t.settle(stateDir)
}
