package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
)

// Root is a folder in which imports are looked up.
type Root struct {
	Dir    string // the folder, as messages spell it
	Prefix string // what import paths under it start with: etcd/api for a root that holds etcd/api/mvccpb as mvccpb; usually empty
	Place  string // the folder relative to the manifest's, with slashes; empty when it lies outside
	FS     fs.FS  // the folder's content; nil: Dir on disk, which symbolic links cannot leave
}

// ParseRoot reads an import root as -I takes it: DIR, or PREFIX=DIR as protoc has it.
func ParseRoot(s string) Root {
	if prefix, dir, ok := strings.Cut(s, "="); ok {
		return Root{Dir: filepath.Clean(dir), Prefix: strings.Trim(filepath.ToSlash(prefix), "/")}
	}
	return Root{Dir: filepath.Clean(s)}
}

// Roots are the import roots of a manifest in folder dir: those it lists, or proto if that folder exists, or
// its own folder; then the extra ones. A listed root that is no folder is an error at its position.
func Roots(dir string, imports []string, at func(i int) diag.Pos, extra []string) ([]Root, error) {
	var roots []Root
	var list diag.List
	for i, imp := range imports {
		root := Root{Dir: filepath.Join(dir, filepath.FromSlash(imp))}
		if place := path.Clean(imp); filepath.IsLocal(filepath.FromSlash(place)) {
			root.Place = place
		}
		if !isDir(root.Dir) {
			list.Add(at(i), "import roots are folders relative to the manifest", "import root %s is not a folder", imp)
		}
		roots = append(roots, root)
	}
	if len(imports) == 0 {
		root := Root{Dir: filepath.Clean(dir), Place: "."}
		if proto := filepath.Join(dir, "proto"); isDir(proto) {
			root = Root{Dir: proto, Place: "proto"}
		}
		roots = append(roots, root)
	}
	for _, s := range extra {
		root := ParseRoot(s)
		if !isDir(root.Dir) {
			list.Add(diag.Pos{}, "give -I a folder, or PREFIX=FOLDER", "import root %s is not a folder", s)
		}
		roots = append(roots, root)
	}
	return roots, list.Err()
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// openRoot is a Root whose files can be read.
type openRoot struct {
	Root
	fsys  fs.FS
	close func() error
}

func (r Root) open() (openRoot, error) {
	if r.FS != nil {
		return openRoot{r, r.FS, func() error { return nil }}, nil
	}
	root, err := os.OpenRoot(r.Dir)
	if err != nil {
		return openRoot{}, fmt.Errorf("open import root: %w", err)
	}
	return openRoot{r, root.FS(), root.Close}, nil
}

// rel is the path inside the root of an import path; ok is false when the root's prefix rules it out.
func (r Root) rel(importPath string) (rel string, ok bool) {
	if r.Prefix == "" {
		return importPath, true
	}
	return strings.CutPrefix(importPath, r.Prefix+"/")
}

// errNotRegular is returned for a folder, a pipe or a device: reading one of the latter may never end.
var errNotRegular = errors.New("not a regular file")

// errLarger is returned for a file over the limit.
var errLarger = errors.New("larger")

// read is the content of a file in the root. fs.ErrNotExist means that it is not there.
func (r openRoot) read(rel string, limit int) ([]byte, error) {
	info, err := fs.Stat(r.fsys, rel)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	if info.Size() > int64(limit) {
		return nil, fmt.Errorf("%w than %d bytes", errLarger, limit)
	}
	return fs.ReadFile(r.fsys, rel)
}
