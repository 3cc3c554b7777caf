package reconcile

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

// world is a tree on disk and what svcgen wants there.
type world struct {
	t    *testing.T
	dir  string
	tree *Tree
	opt  Options
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, dir: dir, tree: tree, opt: Options{Version: "v1.0.0", Inputs: []Input{{Path: "in", Hash: Hash([]byte("in"))}}}}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, filepath.FromSlash(name)) }

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

// apply brings the tree to files and returns what it did, as "op path" lines.
func (w *world) apply(files ...fileset.File) (string, error) {
	w.t.Helper()
	changes, err := w.tree.Apply(set(w.t, files...), w.opt)
	if err != nil {
		return "", err
	}
	return ops(changes), nil
}

func (w *world) mustApply(files ...fileset.File) string {
	w.t.Helper()
	did, err := w.apply(files...)
	if err != nil {
		w.t.Fatal(err)
	}
	return did
}

// user is what is in the tree, svcgen's own state left out.
func (w *world) user() map[string]string {
	w.t.Helper()
	all := w.all()
	maps.DeleteFunc(all, func(name, _ string) bool { return name == LockName || strings.HasPrefix(name, ".svcgen/") })
	return all
}

// all are the files of the tree, and the folders in which nothing is, with a slash at the end.
func (w *world) all() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	root := os.DirFS(w.dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			var inside []fs.DirEntry
			if inside, err = fs.ReadDir(root, name); len(inside) == 0 {
				all[name+"/"] = ""
			}
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := fs.ReadFile(root, name)
		all[name] = string(text)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func set(t *testing.T, files ...fileset.File) *fileset.Set {
	t.Helper()
	files = slices.Clone(files)
	for i := range files {
		files[i].Mode = 0o644
	}
	s, err := fileset.New(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func own(name, content string) fileset.File {
	return fileset.File{Path: name, Owner: fileset.Svcgen, Content: []byte(content)}
}

func yours(name, content string) fileset.File {
	return fileset.File{Path: name, Owner: fileset.User, Content: []byte(content)}
}

func merged(name, content string) fileset.File {
	return fileset.File{Path: name, Owner: fileset.Merged, Content: []byte(content)}
}

func ops(c *Changes) string {
	lines := make([]string, 0, len(c.Actions))
	for _, a := range c.Actions {
		lines = append(lines, string(a.Op)+" "+a.Path)
	}
	return strings.Join(lines, "\n")
}
