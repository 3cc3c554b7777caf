package reconcile

import (
	"bytes"
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

// TestBefore: whoever asks is told what is about to be done, and can stop it. A run with nothing to do tells nothing, and takes no lock.
func TestBefore(t *testing.T) {
	w := newWorld(t)
	w.mustApply(own("gen/a.go", "one"))
	stop := errors.New("as told")
	var told []string
	w.opt.Before = func(c *Changes) error {
		for _, a := range c.Actions {
			told = append(told, string(a.Op)+" "+a.Path)
		}
		return stop
	}
	before := w.user()
	if _, err := w.apply(own("gen/a.go", "two"), own("gen/b.go", "new")); !errors.Is(err, stop) {
		t.Errorf("the error is %v", err)
	}
	if want := []string{"update gen/a.go", "create gen/b.go"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if after := w.user(); !maps.Equal(before, after) {
		t.Errorf("it is %q, and was %q", after, before)
	}
	release, err := w.tree.acquire()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.apply(own("gen/a.go", "one")); err != nil || len(told) != 2 {
		t.Errorf("with nothing to do: %v, %s", err, got)
	}
	w.write("gen/a.go", "edited") // what a plan would tell
	var edited *EditedError
	if _, err := w.apply(own("gen/a.go", "one")); !errors.As(err, &edited) {
		t.Errorf("with nothing but an edit, the error is %v", err)
	}
	var held *HeldError
	for what, opt := range map[string]Options{
		"input":  {Version: w.opt.Version, Inputs: []Input{{Path: "in", Hash: Hash([]byte("another"))}}},
		"svcgen": {Version: "v1.1.0", Inputs: w.opt.Inputs},
	} {
		if _, err := w.tree.Apply(set(t, own("gen/a.go", "one")), opt); !errors.As(err, &held) {
			t.Errorf("with another %s nothing is planned without the lock, and the error is %v", what, err)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// TestLockIsReadAgain: svcgen.lock is what it says now, whatever was read before.
func TestLockIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.write(LockName, "")
	if lock, err := w.tree.Lock(); err == nil {
		t.Errorf("an empty one says %+v", lock)
	}
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		w.write(LockName, string(Lock{Version: version}.Format()))
		if lock, err := w.tree.Lock(); err != nil || lock.Version != version {
			t.Errorf("it says %q, want %q: %v", lock.Version, version, err)
		}
	}
}

// TestInTheMaking: what is being made when a plan begins is waited for, and nothing is done when it cannot be made.
func TestInTheMaking(t *testing.T) {
	w := newWorld(t)
	failed := errors.New("as told")
	making := func(content string, err error) fileset.File {
		return fileset.File{Path: "gen/a.go", Owner: fileset.Svcgen, Kept: &fileset.Kept{Read: func() ([]byte, error) { return []byte(content), err }}}
	}
	w.mustApply(making("one", nil))
	if _, err := w.apply(making("two", failed), own("gen/b.go", "new")); !errors.Is(err, failed) {
		t.Errorf("the error is %v", err)
	}
	if got := w.user(); got["gen/a.go"] != "one" || len(got) != 1 {
		t.Errorf("there is %q", got)
	}
}

// TestGoFiles: Go files are read through links, also out of their folder; where a link leads nowhere there is none.
func TestGoFiles(t *testing.T) {
	w := newWorld(t)
	w.write("a/real.go", "package a\n")
	for link, to := range map[string]string{"a/beside.go": "real.go", "b/other.go": "../a/real.go", "a/gone.go": "nowhere.go"} {
		if err := os.MkdirAll(filepath.Dir(w.path(link)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, w.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.tree.GoFiles(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/real.go", "a/beside.go", "b/other.go"} {
		one, err := w.tree.GoFile(name)
		if err != nil || string(one) != "package a\n" || string(got[name]) != string(one) {
			t.Errorf("%s is %q alone and %q among all: %v", name, one, got[name], err)
		}
	}
	if len(got) != 3 {
		t.Errorf("there are %d", len(got))
	}
}

// TestGoFileOfUnknownSize: a file is read to its end, whatever its size is said to be.
func TestGoFileOfUnknownSize(t *testing.T) {
	const name = "version" // of no size, as the files of some network file systems
	want, err := os.ReadFile("/proc/" + name)
	if err != nil {
		t.Skipf("this system has no file of unknown size to read: %v", err)
	}
	proc, err := Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := proc.GoFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if err := proc.Close(); err != nil {
		t.Error(err)
	}
}

// TestModeStays proves that a file that is replaced keeps its mode, whatever the umask.
func TestModeStays(t *testing.T) {
	w := newWorld(t)
	w.mustApply(merged("Makefile", "a\nb\n"), own("gen/a.sh", "a"))
	for name, mode := range map[string]fs.FileMode{"Makefile": 0o666, "gen/a.sh": 0o711} {
		if err := os.Chmod(w.path(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	w.mustApply(merged("Makefile", "a\nB\n"), own("gen/a.sh", "b"))
	for name, want := range map[string]fs.FileMode{"Makefile": 0o666, "gen/a.sh": 0o711} {
		if info, err := os.Stat(w.path(name)); err != nil || info.Mode() != want {
			t.Errorf("the mode of %s is %v, want %v: %v", name, info.Mode(), want, err)
		}
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
	dir = filepath.Join(t.TempDir(), "c", "d")
	bad := set(t, own("gen", "a file"), own("gen/a.go", "a file in it"))
	if _, err := CreateTree(dir, bad, Options{Version: "v1.0.0"}); err == nil {
		t.Error("no error")
	}
	if _, err := os.Lstat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", dir, slices.Collect(maps.Keys((&world{t: t, dir: dir}).all())))
	}
}
