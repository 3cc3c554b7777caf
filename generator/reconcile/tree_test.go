package reconcile

import (
	"errors"
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

func (w *world) all() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	root := os.DirFS(w.dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
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
	s := &fileset.Set{}
	for _, f := range files {
		f.Mode = 0o644
		if err := s.Add(f); err != nil {
			t.Fatal(err)
		}
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

// TestRegen runs svcgen, lets somebody do something, changes what svcgen wants, and runs it again.
func TestRegen(t *testing.T) {
	const stub = "package orders\n\nfunc (s *S) Place() {}\n"
	declares := yours("internal/orders/place.go", stub)
	declares.Decl = fileset.Decl{Package: "orders", Type: "S", Method: "Place"}
	sqlite, postgres := yours("migrations/1.sql", "sqlite\n"), yours("migrations/1.sql", "postgres\n")
	sqlite.Variant, postgres.Variant = "sqlite", "postgres"

	tests := []struct {
		name   string
		before []fileset.File
		meddle func(*world)
		after  []fileset.File
		did    string
		want   map[string]string
	}{
		{
			name:   "a file of svcgen's that differs is written again",
			before: []fileset.File{own("gen/a.go", "one")},
			after:  []fileset.File{own("gen/a.go", "two")},
			did:    "update gen/a.go",
			want:   map[string]string{"gen/a.go": "two"},
		},
		{
			name:   "a file of svcgen's that was deleted comes back",
			before: []fileset.File{own("gen/a.go", "one")},
			meddle: func(w *world) { w.remove("gen/a.go") },
			after:  []fileset.File{own("gen/a.go", "one")},
			did:    "create gen/a.go",
			want:   map[string]string{"gen/a.go": "one"},
		},
		{
			name:   "a file of svcgen's that is planned no more goes, with the folders it leaves empty",
			before: []fileset.File{own("gen/a/v1/a.go", "one"), own("gen/b.go", "b")},
			after:  []fileset.File{own("gen/b.go", "b")},
			did:    "remove gen/a/v1/a.go",
			want:   map[string]string{"gen/b.go": "b"},
		},
		{
			name:   "a folder with something of the user's in it stays",
			before: []fileset.File{own("gen/a/a.go", "one")},
			meddle: func(w *world) { w.write("gen/a/mine.txt", "mine") },
			did:    "remove gen/a/a.go",
			want:   map[string]string{"gen/a/mine.txt": "mine"},
		},
		{
			name:   "an edit by hand that makes the file what is wanted is none",
			before: []fileset.File{own("gen/a.go", "one")},
			meddle: func(w *world) { w.write("gen/a.go", "two") },
			after:  []fileset.File{own("gen/a.go", "two")},
			want:   map[string]string{"gen/a.go": "two"},
		},
		{
			name:   "the user's file is not touched",
			before: []fileset.File{yours("main.go", "stub")},
			meddle: func(w *world) { w.write("main.go", "mine\r\n") },
			after:  []fileset.File{yours("main.go", "better stub")},
			want:   map[string]string{"main.go": "mine\r\n"},
		},
		{
			name:   "a file that was there before svcgen wanted one is the user's",
			meddle: func(w *world) { w.write("main.go", "mine") },
			after:  []fileset.File{yours("main.go", "stub")},
			want:   map[string]string{"main.go": "mine"},
		},
		{
			name:   "a file the user deleted stays deleted",
			before: []fileset.File{yours("main_test.go", "stub")},
			meddle: func(w *world) { w.remove("main_test.go") },
			after:  []fileset.File{yours("main_test.go", "stub")},
			want:   map[string]string{},
		},
		{
			name:   "a file of the user's that is planned no more stays",
			before: []fileset.File{yours("cancel.go", "stub")},
			want:   map[string]string{"cancel.go": "stub"},
		},
		{
			name: "no stub for a method that is declared elsewhere, by value, with another receiver name, behind a build tag",
			meddle: func(w *world) {
				w.write("internal/orders/all.go", "//go:build plan9\n\npackage orders\n\nfunc (x S) Place(a, b int) {}\n")
			},
			after: []fileset.File{declares},
			want:  map[string]string{"internal/orders/all.go": "//go:build plan9\n\npackage orders\n\nfunc (x S) Place(a, b int) {}\n"},
		},
		{
			name: "decoys are not declarations",
			meddle: func(w *world) {
				w.write("internal/orders/a.go", "package orders\n\n// func (s *S) Place() {}\nconst s = `func (s *S) Place() {}`\n\nfunc (o *Other) Place() {}\nfunc Place() {}\n")
				w.write("internal/orders/a_test.go", "package orders\n\nfunc (s *S) Place() {}\n")
			},
			after: []fileset.File{declares},
			did:   "create internal/orders/place.go",
			want: map[string]string{
				"internal/orders/a.go":      "package orders\n\n// func (s *S) Place() {}\nconst s = `func (s *S) Place() {}`\n\nfunc (o *Other) Place() {}\nfunc Place() {}\n",
				"internal/orders/a_test.go": "package orders\n\nfunc (s *S) Place() {}\n",
				"internal/orders/place.go":  stub,
			},
		},
		{
			name:   "a method moved to another file stays there",
			before: []fileset.File{declares},
			meddle: func(w *world) {
				w.remove("internal/orders/place.go")
				w.write("internal/orders/all.go", stub)
			},
			after: []fileset.File{declares},
			want:  map[string]string{"internal/orders/all.go": stub},
		},
		{
			name:   "a merged file nobody edited is updated",
			before: []fileset.File{merged("Makefile", "a\nb\nc\n")},
			after:  []fileset.File{merged("Makefile", "a\nB\nc\n")},
			did:    "update Makefile",
			want:   map[string]string{"Makefile": "a\nB\nc\n"},
		},
		{
			name:   "an edited file is merged",
			before: []fileset.File{merged("Makefile", "a\nb\nc\nd\ne\n")},
			meddle: func(w *world) { w.write("Makefile", "mine\na\nb\nc\nd\ne\n") },
			after:  []fileset.File{merged("Makefile", "a\nb\nc\nd\nE\n")},
			did:    "merge Makefile",
			want:   map[string]string{"Makefile": "mine\na\nb\nc\nd\nE\n"},
		},
		{
			name:   "an edited file stays when svcgen has nothing new",
			before: []fileset.File{merged("Makefile", "a\n")},
			meddle: func(w *world) { w.write("Makefile", "mine\n") },
			after:  []fileset.File{merged("Makefile", "a\n")},
			want:   map[string]string{"Makefile": "mine\n"},
		},
		{
			name:   "a conflict leaves the file alone",
			before: []fileset.File{merged("Makefile", "a\n")},
			meddle: func(w *world) { w.write("Makefile", "mine\n") },
			after:  []fileset.File{merged("Makefile", "b\n")},
			did:    "conflict Makefile",
			want:   map[string]string{"Makefile": "mine\n", "Makefile.svcgen-new": "b\n"},
		},
		{
			name:   "a merged file the user deleted stays deleted, also when it would change",
			before: []fileset.File{merged("Makefile", "a\n")},
			meddle: func(w *world) { w.remove("Makefile") },
			after:  []fileset.File{merged("Makefile", "b\n")},
			want:   map[string]string{},
		},
		{
			name:   "a merged file that is planned no more goes, if nobody edited it",
			before: []fileset.File{merged("compose.yaml", "a\n"), merged("Makefile", "a\n")},
			meddle: func(w *world) { w.write("Makefile", "mine\n") },
			did:    "remove compose.yaml",
			want:   map[string]string{"Makefile": "mine\n"},
		},
		{
			name:   "a base that was tampered with is none",
			before: []fileset.File{merged("Makefile", "a\nb\nc\n")},
			meddle: func(w *world) {
				w.write(baseName(Hash([]byte("a\nb\nc\n"))), "x\n")
				w.write("Makefile", "a\nb\nc\nmine\n")
			},
			after: []fileset.File{merged("Makefile", "A\nb\nc\n")},
			did:   "conflict Makefile",
			want:  map[string]string{"Makefile": "a\nb\nc\nmine\n", "Makefile.svcgen-new": "A\nb\nc\n"},
		},
		{
			name:   "go.mod: requirements go up, never down",
			before: []fileset.File{merged("go.mod", "module m\n\ngo 1.26.0\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/b v1.0.0\n)\n")},
			meddle: func(w *world) {
				w.write("go.mod", "module m\n\ngo 1.26.0\n\nrequire (\n\ta.com/a v1.9.0 // pinned\n\ta.com/b v1.0.0\n\ta.com/mine v1.0.0\n)\n")
			},
			after: []fileset.File{merged("go.mod", "module m\n\ngo 1.26.0\n\nrequire (\n\ta.com/a v1.1.0\n\ta.com/b v1.1.0\n\ta.com/new v1.0.0\n)\n")},
			did:   "merge go.mod",
			want: map[string]string{
				"go.mod": "module m\n\ngo 1.26.0\n\nrequire (\n\ta.com/a v1.9.0 // pinned\n\ta.com/b v1.1.0\n\ta.com/mine v1.0.0\n\ta.com/new v1.0.0\n)\n",
			},
		},
		{
			name:   "go.sum is the lines of both",
			before: []fileset.File{merged("go.sum", "a v1 h1:a\n")},
			meddle: func(w *world) { w.write("go.sum", "a v1 h1:a\nmine v1 h1:m\n") },
			after:  []fileset.File{merged("go.sum", "a v2 h1:b\n")},
			did:    "merge go.sum",
			want:   map[string]string{"go.sum": "a v1 h1:a\na v2 h1:b\nmine v1 h1:m\n"},
		},
		{
			name:   "a migration never changes for the same database",
			before: []fileset.File{sqlite},
			after:  []fileset.File{func() fileset.File { f := sqlite; f.Content = []byte("sqlite 2\n"); return f }()},
			want:   map[string]string{"migrations/1.sql": "sqlite\n"},
		},
		{
			name:   "a migration nobody edited gives way to the one for another database",
			before: []fileset.File{sqlite},
			after:  []fileset.File{postgres},
			did:    "update migrations/1.sql",
			want:   map[string]string{"migrations/1.sql": "postgres\n"},
		},
		{
			name:   "an edited migration does not",
			before: []fileset.File{sqlite},
			meddle: func(w *world) { w.write("migrations/1.sql", "mine\n") },
			after:  []fileset.File{postgres},
			did:    "conflict migrations/1.sql",
			want:   map[string]string{"migrations/1.sql": "mine\n", "migrations/1.sql.svcgen-new": "postgres\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.mustApply(tt.before...)
			if tt.meddle != nil {
				tt.meddle(w)
			}
			if did := w.mustApply(tt.after...); did != tt.did {
				t.Errorf("did\n%s\nwant\n%s", did, tt.did)
			}
			if got := w.user(); !maps.Equal(got, tt.want) {
				t.Errorf("tree is %q\nwant    %q", got, tt.want)
			}
			before := w.all()
			w.mustApply(tt.after...)
			if got := w.all(); !maps.Equal(got, before) {
				t.Errorf("a second run changed the tree: %q\nwas %q", got, before)
			}
		})
	}
}

// TestNothingToDo proves that a run without changes writes nothing at all, not even for a moment.
func TestNothingToDo(t *testing.T) {
	w := newWorld(t)
	files := []fileset.File{own("gen/a.go", "one"), yours("main.go", "stub"), merged("Makefile", "a\n")}
	w.mustApply(files...)
	w.write("in", "in")
	stamp := func() map[string]fs.FileInfo {
		infos := map[string]fs.FileInfo{}
		err := filepath.WalkDir(w.dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil {
				infos[name], err = d.Info()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return infos
	}
	before := stamp()
	changes, err := w.tree.Plan(set(t, files...), w.opt)
	if err != nil || !changes.Empty() {
		t.Errorf("changes %v, error %v; want none", changes.writes, err)
	}
	lock, err := w.tree.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if current, err := w.tree.Current(lock, "v1.0.0"); !current || err != nil {
		t.Errorf("current is %v, %v; want true", current, err)
	}
	after := stamp()
	for name, info := range before {
		if now := after[name]; now == nil || !now.ModTime().Equal(info.ModTime()) || now.Size() != info.Size() {
			t.Errorf("%s was touched", name)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files and folders, were %d", len(after), len(before))
	}
}

// TestCurrent proves that whatever could make a run do something is seen without one.
func TestCurrent(t *testing.T) {
	files := []fileset.File{own("gen/a.go", "one"), yours("main.go", "stub"), merged("Makefile", "a\n")}
	tests := []struct {
		name    string
		meddle  func(*world)
		version string
		want    bool
	}{
		{name: "nothing happened", meddle: func(*world) {}, version: "v1.0.0", want: true},
		{name: "the user's files changed", meddle: func(w *world) { w.write("main.go", "mine"); w.write("Makefile", "mine") }, version: "v1.0.0", want: true},
		{name: "an input changed", meddle: func(w *world) { w.write("in", "other") }, version: "v1.0.0"},
		{name: "an input is gone", meddle: func(w *world) { w.remove("in") }, version: "v1.0.0"},
		{name: "an input appeared where there was none", meddle: func(w *world) { w.write("absent", "") }, version: "v1.0.0"},
		{name: "an output changed", meddle: func(w *world) { w.write("gen/a.go", "edit") }, version: "v1.0.0"},
		{name: "an output is gone", meddle: func(w *world) { w.remove("gen/a.go") }, version: "v1.0.0"},
		{name: "a conflict is not solved", meddle: func(w *world) { w.write("Makefile.svcgen-new", "b") }, version: "v1.0.0"},
		{name: "another svcgen", meddle: func(*world) {}, version: "v1.1.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.opt.Inputs = append(w.opt.Inputs, Input{Path: "absent"})
			w.write("in", "in")
			w.mustApply(files...)
			tt.meddle(w)
			lock, err := w.tree.Lock()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := w.tree.Current(lock, tt.version); got != tt.want || err != nil {
				t.Errorf("current is %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestEditedStopsTheRun(t *testing.T) {
	w := newWorld(t)
	w.mustApply(own("gen/a.go", "one"), own("gen/b.go", "one"))
	w.write("gen/a.go", "edit")
	before := w.all()

	_, err := w.apply(own("gen/a.go", "two"), own("gen/b.go", "two"))
	var edited *EditedError
	if !errors.As(err, &edited) || len(edited.Actions) != 1 || edited.Actions[0].Path != "gen/a.go" {
		t.Fatalf("error is %v, want an EditedError about gen/a.go", err)
	}
	if got := w.all(); !maps.Equal(got, before) {
		t.Errorf("the stopped run changed %q\nto %q", before, got)
	}

	w.opt.Overwrite = true
	w.mustApply(own("gen/a.go", "two"), own("gen/b.go", "two"))
	got := w.all()
	if got["gen/a.go"] != "two" || got["gen/b.go"] != "two" || got[".svcgen/rescued/gen/a.go"] != "edit" {
		t.Errorf("after --overwrite the tree is %q", got)
	}
	// A second edit does not replace the first one.
	w.write("gen/a.go", "another edit")
	w.mustApply(own("gen/a.go", "two"), own("gen/b.go", "two"))
	got = w.all()
	if got[".svcgen/rescued/gen/a.go"] != "edit" || got[".svcgen/rescued/gen/a.go.1"] != "another edit" {
		t.Errorf("rescued are %q", got)
	}
}

func TestConflictLastsUntilItIsSolved(t *testing.T) {
	w := newWorld(t)
	w.mustApply(merged("Makefile", "a\n"))
	w.write("Makefile", "mine\n")
	for range 2 {
		if did := w.mustApply(merged("Makefile", "b\n")); did != "conflict Makefile" {
			t.Fatalf("did %q, want a conflict", did)
		}
	}
	w.write("Makefile", "mine and b\n")
	w.remove("Makefile.svcgen-new")
	if did := w.mustApply(merged("Makefile", "b\n")); did != "" {
		t.Errorf("did %q after the conflict was solved, want nothing", did)
	}
}

func TestSyntaxErrorStopsTheRun(t *testing.T) {
	w := newWorld(t)
	w.write("internal/orders/bad.go", "package orders\n\nfunc (\n")
	stub := yours("internal/orders/place.go", "package orders\n")
	stub.Decl = fileset.Decl{Package: "orders", Type: "S", Method: "Place"}
	before := w.user()
	_, err := w.apply(stub, own("gen/a.go", "a"))
	if err == nil || !strings.Contains(err.Error(), "internal/orders/bad.go:3:") {
		t.Errorf("error is %v, want the position of the syntax error", err)
	}
	if got := w.user(); !maps.Equal(got, before) {
		t.Errorf("the stopped run wrote: %q", got)
	}
}

func TestNewerTree(t *testing.T) {
	w := newWorld(t)
	w.opt.Version = "v1.2.0"
	w.mustApply(own("gen/a.go", "a"))
	w.opt.Version = "v1.1.0"
	var newer *NewerError
	if _, err := w.apply(own("gen/a.go", "b")); !errors.As(err, &newer) {
		t.Errorf("error is %v, want a NewerError", err)
	}
	w.opt.Version = "v1.3.0"
	w.mustApply(own("gen/a.go", "b"))
}

func TestOneAtATime(t *testing.T) {
	w := newWorld(t)
	w.mustApply(own("gen/a.go", "a"))
	release, err := w.tree.acquire()
	if err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if _, err := w.apply(own("gen/a.go", "b")); !errors.As(err, &held) || !strings.Contains(held.Error(), "pid ") {
		t.Errorf("error is %v, want one that names the holder", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	w.mustApply(own("gen/a.go", "b"))
	if _, err := os.Lstat(w.path(mutexName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock file is left behind: %v", err)
	}
}

// TestLinks proves that symbolic links lead nowhere.
func TestLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.mustApply(own("gen/a.go", "a"), own("lib/b.go", "b"))

	t.Run("a file of svcgen's became a link", func(t *testing.T) {
		w.remove("gen/a.go")
		if err := os.Symlink(outside, w.path("gen/a.go")); err != nil {
			t.Fatal(err)
		}
		var edited *EditedError
		if _, err := w.apply(own("gen/a.go", "a2"), own("lib/b.go", "b")); !errors.As(err, &edited) {
			t.Fatalf("error is %v, want an EditedError", err)
		}
		w.opt.Overwrite = true
		w.mustApply(own("gen/a.go", "a2"), own("lib/b.go", "b"))
		if got := w.user()["gen/a.go"]; got != "a2" {
			t.Errorf("gen/a.go is %q", got)
		}
	})
	t.Run("a folder became a link out of the tree", func(t *testing.T) {
		w.remove("lib/b.go")
		w.remove("lib")
		if err := os.Symlink(filepath.Dir(outside), w.path("lib")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.apply(own("gen/a.go", "a3"), own("lib/b.go", "b")); err == nil {
			t.Error("no error")
		}
		if got := w.user()["gen/a.go"]; got != "a2" {
			t.Errorf("gen/a.go is %q after a failed run, want it as it was", got)
		}
	})
	text, err := os.ReadFile(outside)
	if err != nil || string(text) != "theirs" {
		t.Errorf("the file outside is %q, %v", text, err)
	}
	entries, err := os.ReadDir(filepath.Dir(outside))
	if err != nil || len(entries) != 1 {
		t.Errorf("outside there are %v, %v", entries, err)
	}
}

func TestCreateTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	files := set(t, own("gen/a.go", "a"), yours("main.go", "stub"))
	if _, err := CreateTree(dir, files, Options{Version: "v1.0.0"}); err != nil {
		t.Fatal(err)
	}
	var notEmpty *NotEmptyError
	if _, err := CreateTree(dir, files, Options{Version: "v1.0.0"}); !errors.As(err, &notEmpty) {
		t.Errorf("error is %v, want a NotEmptyError", err)
	}
	// A tree that cannot be made leaves nothing.
	dir = filepath.Join(t.TempDir(), "c")
	bad := set(t, own("gen", "a file"), own("gen/a.go", "a file in it"))
	if _, err := CreateTree(dir, bad, Options{Version: "v1.0.0"}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", dir, slices.Collect(maps.Keys((&world{t: t, dir: dir}).all())))
	}
}
