//go:build unix

package reconcile

import (
	"errors"
	"syscall"
)

// isNotDirectory reports that a parent of the path is a file.
func isNotDirectory(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// sync makes what happened to the names in folder survive a crash of the machine.
func (t *Tree) sync(folder string) error {
	f, err := t.root.Open(folder)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // a file system that does it by itself, or never
	}
	return errors.Join(err, f.Close())
}
