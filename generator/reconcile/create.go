package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/fileset"
)

// NotEmptyError says that a new tree was to be made where something is already.
type NotEmptyError struct {
	Reason      string
	Interrupted bool // what is there is the beginning of a tree
}

func (e *NotEmptyError) Error() string { return e.Reason }

// Vacant returns an error when no new tree can be made at dir: a *NotEmptyError when something is there. What a run
// left behind that was killed before it had decided on anything is nothing.
func Vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch info, statErr := os.Lstat(dir); {
	case statErr == nil && err != nil && info.Mode()&fs.ModeSymlink != 0:
		return &NotEmptyError{Reason: dir + " is a symbolic link to no folder"}
	case statErr == nil && err != nil && !info.IsDir():
		return &NotEmptyError{Reason: dir + " is not a folder"}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	switch _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(journalName))); {
	case err == nil:
		return &NotEmptyError{Reason: "in " + dir + " a run was interrupted", Interrupted: true}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, e := range entries {
		if e.Name() != stateDir {
			return &NotEmptyError{Reason: dir + " is not empty"}
		}
	}
	return nil
}

// CreateTree makes a new tree at dir from set. When it cannot, nothing is left there.
func CreateTree(dir string, set *fileset.Set, opt Options) (changes *Changes, err error) {
	if err := Vacant(dir); err != nil {
		return nil, err
	}
	made, err := makeFolder(dir)
	defer func() {
		if err == nil {
			return
		}
		for _, folder := range slices.Backward(made) {
			err = errors.Join(err, ignoreNotEmpty(os.Remove(folder)))
		}
	}()
	if err != nil {
		return nil, err
	}
	tree, err := Open(dir)
	if err != nil {
		return nil, err
	}
	tree.fresh = true
	defer func() { err = errors.Join(err, tree.Close()) }()
	changes, err = tree.Apply(set, opt)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", dir, err), ignoreNotEmpty(tree.root.Remove(stateDir)))
	}
	return changes, nil
}

// makeFolder is os.MkdirAll that tells what it made, the outermost first.
func makeFolder(dir string) (made []string, err error) {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if parent := filepath.Dir(dir); parent != dir {
		if made, err = makeFolder(parent); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return made, err
	}
	return append(made, dir), nil
}

// ignoreNotEmpty drops the error of removing a folder in which something has appeared: then it is not ours alone.
func ignoreNotEmpty(err error) error {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Creates is what making a new tree from set does.
func Creates(set *fileset.Set) *Changes {
	changes := &Changes{}
	for _, f := range set.Files() {
		if !strings.HasPrefix(f.Path, stateDir+"/") {
			changes.act(Create, f, found{}, "")
		}
	}
	return changes
}
