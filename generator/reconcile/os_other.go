//go:build !unix

package reconcile

// isNotDirectory reports that a parent of the path is a file. Elsewhere that is fs.ErrNotExist already.
func isNotDirectory(error) bool { return false }

// sync makes what happened to the names in folder survive a crash of the machine. Folders cannot be synced here.
func (t *Tree) sync(string) error { return nil }
