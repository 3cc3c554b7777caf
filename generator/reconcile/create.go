package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/svcgen/svcgen/generator/fileset"
)

// NotEmptyError says that a new tree was to be made where something is already.
type NotEmptyError struct{ Reason string }

func (e *NotEmptyError) Error() string { return e.Reason }

// Vacant returns an error when no new tree can be made at dir: a *NotEmptyError when something is there. What a
// killed run left behind is nothing.
func Vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch info, statErr := os.Lstat(dir); {
	case statErr == nil && err != nil && info.Mode()&fs.ModeSymlink != 0:
		return &NotEmptyError{dir + " is a symbolic link to no folder"}
	case statErr == nil && err != nil && !info.IsDir():
		return &NotEmptyError{dir + " is not a folder"}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	for _, e := range entries {
		if e.Name() != stateDir {
			return &NotEmptyError{dir + " is not empty"}
		}
	}
	return nil
}

// CreateTree makes a new tree at dir from set. When it cannot, nothing is left there.
func CreateTree(dir string, set *fileset.Set, opt Options) (changes *Changes, err error) {
	if err := Vacant(dir); err != nil {
		return nil, err
	}
	made := false
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
		made = true
	}
	tree, err := Open(dir)
	if err != nil {
		return nil, err
	}
	tree.fresh = true
	defer func() {
		err = errors.Join(err, tree.Close())
		if err != nil && made {
			err = errors.Join(err, ignoreNotEmpty(os.Remove(dir)))
		}
	}()
	changes, err = tree.Apply(set, opt)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", dir, err), ignoreNotEmpty(tree.root.Remove(stateDir)))
	}
	return changes, nil
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
			changes.act(Action{Path: f.Path, Op: Create, Owner: f.Owner, New: f.Content, packed: f.Packed})
		}
	}
	return changes
}
