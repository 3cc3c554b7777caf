package reconcile

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

// interrupted returns a tree whose run died after it had moved n files; n is -1 for one that died while staging.
func interrupted(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t)
	w.mustApply(before()...)
	changes, err := w.tree.Plan(set(t, after()...), w.opt)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.tree.stage(changes.writes)
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 {
		return w
	}
	w.writeJournal(entries)
	var made []string
	for i := range entries[:n] {
		if err := w.tree.move(&entries[i], &made); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func before() []fileset.File {
	return []fileset.File{own("gen/a.go", "a1"), own("gen/gone/b.go", "b1"), merged("Makefile", "m1\n"), yours("main.go", "mine")}
}

func after() []fileset.File {
	return []fileset.File{own("gen/a.go", "a2"), own("gen/new/c.go", "c2"), merged("Makefile", "m2\n"), yours("main.go", "stub"), yours("new.go", "stub")}
}

func (w *world) writeJournal(entries []entry) {
	w.t.Helper()
	text := marshal(w.t, journal{Format: journalFormat, Entries: entries})
	w.write(journalName, text)
}

// TestRecover kills a run after each of its moves. The next run leaves what the killed one would have left.
func TestRecover(t *testing.T) {
	done := newWorld(t)
	done.mustApply(before()...)
	done.mustApply(after()...)
	want := done.all()

	changes := 0
	for n := 0; ; n++ {
		w := interrupted(t, 0)
		if n == 0 {
			lines := strings.Count(w.all()[journalName], `"path"`)
			changes = lines
		}
		if n > changes {
			break
		}
		w = interrupted(t, n)
		if recovered, err := w.tree.Recover(); err != nil || !recovered {
			t.Fatalf("after %d moves: recovered %v, %v", n, recovered, err)
		}
		if got := w.all(); !maps.Equal(got, want) {
			t.Errorf("after %d moves the tree is %q\nwant %q", n, got, want)
		}
		if recovered, err := w.tree.Recover(); err != nil || recovered {
			t.Errorf("after %d moves there is something to recover again: %v, %v", n, recovered, err)
		}
	}
	if changes < 6 {
		t.Errorf("only %d moves were tried", changes)
	}
}

func TestRecoverForgetsWhatWasNotDecided(t *testing.T) {
	w := interrupted(t, -1)
	done := newWorld(t)
	done.mustApply(before()...)
	if recovered, err := w.tree.Recover(); err != nil || !recovered {
		t.Fatalf("recovered %v, %v", recovered, err)
	}
	if got, want := w.all(), done.all(); !maps.Equal(got, want) {
		t.Errorf("the tree is %q\nwant %q", got, want)
	}
}

// TestRecoverKeepsLaterEdits edits files between a killed run and the next one.
func TestRecoverKeepsLaterEdits(t *testing.T) {
	w := interrupted(t, 0)
	w.write("gen/a.go", "edit")
	w.write("Makefile", "mine\n")
	w.write("new.go", "mine")
	if _, err := w.tree.Recover(); err != nil {
		t.Fatal(err)
	}
	got := w.user()
	for name, want := range map[string]string{
		"gen/a.go": "edit", "Makefile": "mine\n", "Makefile.svcgen-new": "m2\n", "new.go": "mine", "gen/new/c.go": "c2",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	var edited *EditedError
	if _, err := w.apply(after()...); !errors.As(err, &edited) {
		t.Errorf("error of the next run is %v, want an EditedError about gen/a.go", err)
	}
}

// TestFailureTakesEverythingBack lets the last move fail.
func TestFailureTakesEverythingBack(t *testing.T) {
	w := newWorld(t)
	w.mustApply(before()...)
	old := w.all()
	info, err := os.Stat(w.path("gen/a.go"))
	if err != nil {
		t.Fatal(err)
	}
	// A folder where a file has to go: no plan would name it, and no rename can replace it.
	w.write("zz/x/y", "mine")
	bad := write{path: "zz/x", owner: fileset.Svcgen, new: Hash([]byte("z")), content: []byte("z"), mode: 0o644}
	changes, err := w.tree.Plan(set(t, after()...), w.opt)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.tree.stage(append(changes.writes, bad))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tree.commit(entries); err == nil {
		t.Fatal("no error")
	}
	got := w.all()
	delete(got, "zz/x/y")
	if !maps.Equal(got, old) {
		t.Errorf("the tree is %q\nwant %q", got, old)
	}
	if now, err := os.Stat(w.path("gen/a.go")); err != nil || !now.ModTime().Equal(info.ModTime()) {
		t.Errorf("gen/a.go is not the file it was: %v", err)
	}
	if _, err := os.Stat(w.path("gen/new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder gen/new is left behind: %v", err)
	}
}

// TestHostileJournal proves that a journal cannot be used to write elsewhere.
func TestHostileJournal(t *testing.T) {
	for _, text := range []string{
		"", "{}", `{"format":2}`, "not json",
		`{"format":1,"entries":[{"path":"../x","owner":"svcgen","new":"h","stage":".svcgen/stage/1"}]}`,
		`{"format":1,"entries":[{"path":"/etc/x","owner":"svcgen","new":"h","stage":".svcgen/stage/1"}]}`,
		`{"format":1,"entries":[{"path":"x","owner":"svcgen","new":"h","stage":"../secret"}]}`,
		`{"format":1,"entries":[{"path":"x","owner":"svcgen","new":"h","stage":".svcgen/stage/../../main.go"}]}`,
	} {
		w := newWorld(t)
		w.write("main.go", "mine")
		w.write(journalName, text)
		if _, err := w.tree.Recover(); err == nil {
			t.Errorf("journal %q was accepted", text)
		}
		if got := w.user(); !maps.Equal(got, map[string]string{"main.go": "mine"}) {
			t.Errorf("journal %q made the tree %q", text, got)
		}
	}
}
