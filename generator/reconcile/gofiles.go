package reconcile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
)

// GoFiles are the Go files of the module, those the go command would look at, but no more than most bytes of each.
func (t *Tree) GoFiles(most int) (map[string][]byte, error) {
	every := func(string) bool { return true }
	return t.goFiles(every, every, most)
}

// GoFile reads a Go file of the user's, through a symbolic link as the go command does.
func (t *Tree) GoFile(name string) ([]byte, error) {
	info, err := t.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	return t.readGo(name, info.Mode().Type(), math.MaxInt)
}

// goFiles reads the Go files for which want is true, in the folders for which enter is.
func (t *Tree) goFiles(enter, want func(name string) bool, most int) (map[string][]byte, error) {
	types, err := t.goTypes(enter, want)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(types)) // it is no error when one is gone by then
	for name := range types {
		names[name] = ""
	}
	files := make(map[string][]byte, len(names))
	var mu sync.Mutex
	err = t.eachFolder(names, func(folder *os.Root, dir string, bases []string) error {
		here := Tree{root: folder}
		for _, base := range bases {
			name := path.Join(dir, base)
			content, err := here.readGo(base, types[name], most)
			if err != nil { // it may be a link that leads out of the folder
				content, err = t.readGo(name, types[name], most)
			}
			if errors.Is(err, fs.ErrNotExist) { // a dangling link, such as an editor's lock
				continue
			}
			if err != nil {
				return err
			}
			mu.Lock()
			files[name] = content
			mu.Unlock()
		}
		return nil
	})
	return files, err
}

// goTypes are those files, and what their folders say that they are: regular files, links or something else.
func (t *Tree) goTypes(enter, want func(name string) bool) (map[string]fs.FileMode, error) {
	types := map[string]fs.FileMode{}
	err := fs.WalkDir(t.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case name == ".":
			return err
		case err == nil && d.IsDir():
			if NoPackages(d.Name()) || !enter(name) {
				return fs.SkipDir
			}
			var foreign bool
			if foreign, err = t.exists(path.Join(name, "go.mod")); foreign {
				return fs.SkipDir
			}
		}
		switch {
		case errors.Is(err, fs.ErrPermission) && d.IsDir(): // such as that of a database: nothing in it is built
			return fs.SkipDir
		case err != nil || d.IsDir():
			return err
		case !isGo(d.Name()) || !want(name):
			return nil
		}
		types[name] = d.Type()
		return nil
	})
	return types, err
}

// NoPackages reports whether a folder of that name holds no package of the user's. The go command looks into one of these,
// node_modules, but what is there was written by others.
func NoPackages(base string) bool {
	return base[0] == '.' || base[0] == '_' || slices.Contains([]string{"vendor", "testdata", "node_modules"}, base)
}

// generated are the folders in which all is svcgen's. One of that name elsewhere is the user's.
var generated = []string{"gen", "internal/gen"}

// Generated reports whether the packages of a folder are svcgen's.
func Generated(folder string) bool {
	return slices.ContainsFunc(generated, func(own string) bool { return strings.HasPrefix(folder+"/", own+"/") })
}

// isGo reports whether the go command takes a file of that name for one of a package. Others, such as _draft.go, may hold
// anything.
func isGo(base string) bool {
	return strings.HasSuffix(base, ".go") && base[0] != '_' && base[0] != '.'
}

// readGo is GoFile for no more than most bytes of a file, which its folder says to be of that type.
func (t *Tree) readGo(name string, is fs.FileMode, most int) (content []byte, err error) {
	if is&fs.ModeSymlink != 0 {
		info, err := t.root.Stat(name)
		if err != nil {
			return nil, err
		}
		is = info.Mode().Type()
	}
	if !is.IsRegular() { // to open a pipe can take for ever
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var read bytes.Buffer
	read.Grow(int(min(info.Size(), int64(most))) + bytes.MinRead) // what it needs to see the end without growing once more
	_, err = read.ReadFrom(io.LimitReader(f, int64(most)))        // it may be shorter by now, or longer
	return read.Bytes(), err
}
