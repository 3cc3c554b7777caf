//go:build unix

package reconcile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// acquire makes this process the only one that writes to the tree, until release is called. The kernel gives the
// lock of a killed process back; what the file says is for people.
func (t *Tree) acquire() (release func() error, err error) {
	for {
		f, err := t.root.OpenFile(mutexName, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock the tree: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			holder, readErr := io.ReadAll(io.LimitReader(f, 256))
			return nil, errors.Join(&HeldError{Holder: string(holder)}, readErr, f.Close())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", mutexName, err), f.Close())
		}
		// The holder before us removes the file: the one we hold may have no name any more.
		same, err := t.sameFile(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if !same {
			if err := f.Close(); err != nil {
				return nil, err
			}
			continue
		}
		release := func() error { return errors.Join(ignoreNotExist(t.root.Remove(mutexName)), f.Close()) }
		if err := describe(f); err != nil {
			return nil, errors.Join(fmt.Errorf("lock the tree: %w", err), release())
		}
		return release, nil
	}
}

func (t *Tree) sameFile(f *os.File) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := t.root.Lstat(mutexName)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, named), err
}
