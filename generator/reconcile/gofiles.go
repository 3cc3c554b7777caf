package reconcile

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
)

// GoFiles are the Go files of the module, which are those the go command would look at, but for those that skip names.
func (t *Tree) GoFiles(skip func(name string) bool) (map[string][]byte, error) {
	return t.goFiles(func(string) bool { return true }, func(name string) bool { return !skip(name) })
}

// goFiles reads the Go files for which want is true, in the folders for which enter is.
func (t *Tree) goFiles(enter, want func(name string) bool) (map[string][]byte, error) {
	names := map[string]string{} // none has to be there
	err := fs.WalkDir(t.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case d.IsDir():
			foreign, err := t.exists(path.Join(name, "go.mod"))
			base := d.Name()
			if err == nil && (foreign || !enter(name) || base[0] == '.' || base[0] == '_' || slices.Contains([]string{"vendor", "testdata", "node_modules"}, base)) {
				return fs.SkipDir
			}
			return err
		case !isGo(d.Name()) || !want(name):
			return nil
		}
		names[name] = ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	var mu sync.Mutex
	err = t.eachFolder(names, func(folder *os.Root, dir string, bases []string) error {
		here := Tree{root: folder}
		for _, base := range bases {
			content, err := here.readGo(base)
			if err != nil { // in the folder, where a link may lead out of it
				content, err = t.readGo(path.Join(dir, base))
			}
			if errors.Is(err, fs.ErrNotExist) { // a dangling link, such as an editor's lock
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock()
			files[path.Join(dir, base)] = content
			mu.Unlock()
		}
		return nil
	})
	return files, err
}

// isGo reports whether the go command takes a file of that name for one of a package. Others, such as _draft.go, may hold
// anything.
func isGo(base string) bool {
	return strings.HasSuffix(base, ".go") && base[0] != '_' && base[0] != '.'
}

// readGo reads a Go file of the user's, through a symbolic link as the go command does.
func (t *Tree) readGo(name string) ([]byte, error) {
	info, err := t.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	return t.root.ReadFile(name)
}
