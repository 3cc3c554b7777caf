// Package reconcile brings a tree on disk to what a set of files says: it compares the set, the tree and
// svcgen.lock, decides by owner what happens to each file, and writes all of it or nothing. It is the only package
// that writes. It renders nothing, and looks into files only to merge them and to find a user's declarations.
package reconcile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/svcgen/svcgen/generator/fileset"
)

// Names of what svcgen keeps for itself. The last three are gone after a run that was not interrupted.
const (
	stateDir    = ".svcgen"
	baseDir     = stateDir + "/base"    // what svcgen last rendered of the merged files, by hash
	rescuedDir  = stateDir + "/rescued" // hand edits that --overwrite replaced
	stageDir    = stateDir + "/stage"   // new bytes on their way to their place
	journalName = stateDir + "/journal" // the renames that are left to do
	mutexName   = stateDir + "/lock"
)

// PendingSuffix is the end of the name of a file that could not be merged into the user's.
const PendingSuffix = ".svcgen-new"

// Tree is a target directory. Every access goes through os.Root: nothing outside of it can be reached, whatever
// paths and symbolic links say.
type Tree struct {
	root *os.Root

	// fresh is set while the tree is made. Nothing in it is anyone's yet, and all of it can be made again, so nothing
	// waits for the disk: a hundred files would take longer to reach it than to make.
	fresh bool

	known *memory         // what the last run has noted; read when it is asked for
	still map[string]bool // see planner.still, of the last plan
	lock  parsedLock
}

// Open opens the tree at dir, which must exist.
func Open(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Tree{root: root}, nil
}

// IsTree reports whether a service is at dir: it has a lock, or a run there was interrupted, perhaps its first.
func IsTree(dir string) (bool, error) {
	for _, name := range []string{LockName, journalName} {
		_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// Close closes the tree.
func (t *Tree) Close() error { return t.root.Close() }

// FS is the tree for reading.
func (t *Tree) FS() fs.FS { return t.root.FS() }

// Lock reads svcgen.lock. The error wraps fs.ErrNotExist when there is none.
func (t *Tree) Lock() (Lock, error) {
	text, err := t.root.ReadFile(LockName)
	if err != nil {
		return Lock{}, err
	}
	if t.lock.text == nil || !bytes.Equal(text, t.lock.text) {
		lock, err := ParseLock(text)
		if err != nil {
			return Lock{}, err
		}
		t.lock = parsedLock{text, lock}
	}
	return t.lock.Lock, nil
}

// parsedLock is what svcgen.lock said when it was last read: a run reads it several times, and it is long.
type parsedLock struct {
	text []byte
	Lock
}

// hashOf is Hash of what f is to hold.
func hashOf(f fileset.File) string {
	if f.Kept != nil {
		return f.Kept.Hash
	}
	return Hash(f.Text())
}

// Hash is how files are told from what svcgen wrote or read: what git or an editor does to the line endings of a whole tree
// changes none.
func Hash(content []byte) string { return sum(unix(content)) }

// sum is the hash of content as it is.
func sum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// found is a file as it is on disk.
type found struct {
	exists  bool
	regular bool
	mode    fs.FileMode
	content []byte
	hash    string // Hash of a regular file
	sum     string // of a regular file; another than hash where that does not count line endings
	unread  bool   // content is not here, and hash is remembered
}

// folderError says that there is a folder where a file should be.
type folderError struct{ name string }

func (e *folderError) Error() string { return e.name + " is a directory, where a file should be" }

// inFolder gives an error about a file of a folder the path that the file has in the tree.
func inFolder(dir string, err error) error {
	var isFolder *folderError
	var failed *fs.PathError
	switch {
	case errors.As(err, &isFolder):
		return &folderError{path.Join(dir, isFolder.name)}
	case errors.As(err, &failed):
		return &fs.PathError{Op: failed.Op, Path: path.Join(dir, failed.Path), Err: failed.Err}
	}
	return err
}

// look reads what is at name. What is not a regular file is not opened: it may be a pipe that never ends.
func (t *Tree) look(name string) (found, error) {
	info, err := t.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), isNotDirectory(err):
		return found{}, nil
	case err != nil:
		return found{}, err
	case info.IsDir():
		return found{}, &folderError{name}
	case !info.Mode().IsRegular():
		return found{exists: true, mode: info.Mode()}, nil
	}
	content, err := t.root.ReadFile(name)
	if err != nil {
		return found{}, err
	}
	f := found{exists: true, regular: true, mode: info.Mode().Perm(), content: content, sum: sum(content)}
	f.hash = f.sum
	if text := unix(content); len(text) < len(content) {
		f.hash = sum(text)
	}
	return f, nil
}

// glance is look without the content of a file that is still what known says of it.
func (t *Tree) glance(name string, m memory, known sight) (found, error) {
	if info, err := t.root.Lstat(name); err == nil && m.still(known, info) {
		return found{exists: true, regular: true, mode: info.Mode().Perm(), hash: known.hash, unread: true}, nil
	}
	return t.look(name)
}

func (t *Tree) exists(name string) (bool, error) {
	_, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || isNotDirectory(err) {
		return false, nil
	}
	return err == nil, err
}
