//go:build !unix

package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// acquire makes this process the only one that writes to the tree, until release is called. Without flock the
// file itself is the lock, and one left by a killed process is removed by hand.
func (t *Tree) acquire() (release func() error, err error) {
	f, err := t.root.OpenFile(mutexName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		holder, readErr := t.root.ReadFile(mutexName)
		return nil, errors.Join(&HeldError{Holder: string(holder), File: mutexName}, readErr)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the tree: %w", err)
	}
	err = errors.Join(describe(f), f.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the tree: %w", err), t.root.Remove(mutexName))
	}
	return func() error { return ignoreNotExist(t.root.Remove(mutexName)) }, nil
}
