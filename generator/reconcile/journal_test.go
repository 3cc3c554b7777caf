package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

// interrupted returns a tree whose run died after it had moved n files; n is -1 for one that died while staging.
func interrupted(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t)
	w.mustApply(before()...)
	w.stop(n, after()...)
	return w
}

// stop begins to bring the tree to files, and moves n of them.
func (w *world) stop(n int, files ...fileset.File) {
	w.t.Helper()
	changes, err := w.tree.Plan(set(w.t, files...), w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	entries, err := w.tree.stage(changes.writes)
	if err != nil {
		w.t.Fatal(err)
	}
	if n < 0 {
		return
	}
	if _, err := w.tree.record(entries); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries[:n] {
		if err := w.tree.place(e); err != nil {
			w.t.Fatal(err)
		}
	}
}

func before() []fileset.File {
	return []fileset.File{own("gen/a.go", "a1"), own("gen/gone/b.go", "b1"), merged("Makefile", "m1\n"), yours("main.go", "mine")}
}

func after() []fileset.File {
	return []fileset.File{own("gen/a.go", "a2"), own("gen/new/c.go", "c2"), merged("Makefile", "m2\n"), yours("main.go", "stub"), yours("new.go", "stub")}
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

// TestRecoverKeepsLaterEdits edits files between a killed run and the next one. A file that had arrived is theirs, and
// the run is finished around it; where the run had not come to it yet, it is taken back and decided about again.
func TestRecoverKeepsLaterEdits(t *testing.T) {
	t.Run("what had arrived", func(t *testing.T) {
		w := interrupted(t, 4)
		w.write("Makefile", "m2\nmine\n")
		w.write("new.go", "mine")
		w.remove("gen/new/c.go")
		w.recover(map[string]string{"gen/a.go": "a2", "Makefile": "m2\nmine\n", "main.go": "mine", "new.go": "mine", "gen/new/": ""})
		if did := w.mustApply(after()...); did != "create gen/new/c.go" {
			t.Errorf("the next run did %q", did)
		}
	})
	t.Run("what the run had not come to", func(t *testing.T) {
		w := interrupted(t, 2)
		w.write("gen/gone/b.go", "edit")
		w.write("new.go", "mine")
		w.recover(map[string]string{"gen/a.go": "a1", "gen/gone/b.go": "edit", "Makefile": "m1\n", "main.go": "mine", "new.go": "mine"})
		var edited *EditedError
		if _, err := w.apply(after()...); !errors.As(err, &edited) {
			t.Errorf("error of the next run is %v, want an EditedError about gen/gone/b.go", err)
		}
	})
	t.Run("what was saved while it was looked at", func(t *testing.T) {
		w := interrupted(t, 2)
		text, err := os.ReadFile(w.path(journalName))
		if err != nil {
			t.Fatal(err)
		}
		j, err := parseJournal(text)
		if err != nil {
			t.Fatal(err)
		}
		w.write("gen/gone/b.go", "edit") // all is decided about by now
		if err := w.tree.advance(j); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"gen/a.go": "a1", "gen/gone/b.go": "edit", "Makefile": "m1\n", "main.go": "mine"}
		if got := w.user(); !maps.Equal(got, want) {
			t.Errorf("the tree is %q\nwant %q", got, want)
		}
	})
	t.Run("lines of both", func(t *testing.T) {
		w := newWorld(t)
		w.mustApply(merged("makefile", "a\nb\nc\n"), own("gen/a.go", "a1"))
		w.stop(1, own("gen/a.go", "a2"), merged("makefile", "a\nb\nC\n"))
		w.write("makefile", "mine\na\nb\nc\n")
		w.recover(map[string]string{"gen/a.go": "a1", "makefile": "mine\na\nb\nc\n"})
		w.mustApply(own("gen/a.go", "a2"), merged("makefile", "a\nb\nC\n"))
		if got := w.user(); !maps.Equal(got, map[string]string{"gen/a.go": "a2", "makefile": "mine\na\nb\nC\n"}) {
			t.Errorf("after the next run the tree is %q", got)
		}
	})
	t.Run("the old tree was checked out", func(t *testing.T) {
		w := interrupted(t, 3)
		for name, text := range map[string]string{"gen/a.go": "a1", "Makefile": "m1\n"} {
			w.write(name, text)
		}
		w.recover(map[string]string{"gen/a.go": "a1", "gen/gone/b.go": "b1", "Makefile": "m1\n", "main.go": "mine"})
	})
	t.Run("what was staged is gone", func(t *testing.T) {
		w := interrupted(t, 3)
		if err := os.RemoveAll(w.path(stageDir)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.tree.Recover(); err != nil {
			t.Fatal(err)
		}
		w.mustApply(after()...)
		done := newWorld(t)
		done.mustApply(before()...)
		done.mustApply(after()...)
		if got, want := w.all(), done.all(); !maps.Equal(got, want) {
			t.Errorf("the tree is %q\nwant %q", got, want)
		}
	})
}

// TestFolders removes the folders that svcgen's files have left, and no other: in a run, in one that goes on where a killed
// one was, and in one that takes it back.
func TestFolders(t *testing.T) {
	without := slices.DeleteFunc(before(), func(f fileset.File) bool { return f.Path == "gen/gone/b.go" })
	for _, test := range []struct {
		name  string
		setup func(w *world) error
		left  string
	}{
		{"nothing else is in it", func(*world) error { return nil }, ""},
		{"a file of the user's is in it", func(w *world) error { return os.WriteFile(w.path("gen/gone/mine"), nil, 0o666) }, "gen/gone/mine"},
		{"an empty folder of the user's is in it", func(w *world) error { return os.Mkdir(w.path("gen/gone/mine"), 0o777) }, "gen/gone/mine/"},
		{"an empty folder of the user's is beside it", func(w *world) error { return os.Mkdir(w.path("gen/mine"), 0o777) }, "gen/mine/"},
		{"it is a link", func(w *world) error {
			return errors.Join(os.Rename(w.path("gen/gone"), w.path("gen/mine")), os.Symlink("mine", w.path("gen/gone")))
		}, "gen/mine/"},
	} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", test.name, killed), func(t *testing.T) {
				w := newWorld(t)
				w.mustApply(before()...)
				if err := test.setup(w); err != nil {
					t.Fatal(err)
				}
				link, _ := os.Readlink(w.path("gen/gone"))
				if killed {
					w.stop(1, without...)
					w.recover(tree(without, test.left))
				}
				w.mustApply(without...)
				if got, want := w.user(), tree(without, test.left); !maps.Equal(got, want) {
					t.Errorf("the tree is %q\nwant %q", got, want)
				}
				if now, _ := os.Readlink(w.path("gen/gone")); now != link {
					t.Errorf("the link to %q is one to %q", link, now)
				}
			})
		}
	}
	t.Run("taken back", func(t *testing.T) {
		w := newWorld(t)
		w.mustApply(before()...)
		if err := os.Mkdir(w.path("mine"), 0o777); err != nil {
			t.Fatal(err)
		}
		w.stop(2, append(before(), own("gen/new/c.go", "c"), own("mine/new/d.go", "d"))...)
		if got := w.user(); got["mine/new/d.go"] != "d" {
			t.Fatalf("the run was not as far: %q", got)
		}
		w.write(LockName, "edited")
		w.recover(tree(before(), "mine/"))
	})
}

// tree is what files make, and one more file or, with a slash at its end, folder with nothing in it.
func tree(files []fileset.File, more string) map[string]string {
	all := map[string]string{}
	for _, f := range files {
		all[f.Path] = string(f.Content)
	}
	if more != "" {
		all[more] = ""
	}
	return all
}

// recover recovers once, and leaves want.
func (w *world) recover(want map[string]string) {
	w.t.Helper()
	if recovered, err := w.tree.Recover(); err != nil || !recovered {
		w.t.Fatalf("recovered %v, %v", recovered, err)
	}
	if got := w.user(); !maps.Equal(got, want) {
		w.t.Errorf("the tree is %q\nwant %q", got, want)
	}
	if recovered, err := w.tree.Recover(); err != nil || recovered {
		w.t.Errorf("there is something to recover again: %v, %v", recovered, err)
	}
	for _, name := range []string{journalName, stageDir, mutexName} {
		if there, err := w.tree.exists(name); err != nil || there {
			w.t.Errorf("%s is left behind: %v", name, err)
		}
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
	bad := write{File: fileset.File{Path: "zz/x", Owner: fileset.Svcgen, Content: []byte("z"), Mode: 0o644}, new: Hash([]byte("z"))}
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
		`{"format":1,"entries":[{"path":"main.go","owner":"svcgen","old":"h","saved":"../x"}]}`,
		`{"format":1,"entries":[{"path":".svcgen/stage/1","owner":"svcgen","old":"h","saved":".svcgen/stage/1"}]}`,
		`{"format":1,"entries":[{"path":"main.go","owner":"svcgen","old":"h","new":"h"}]}`,
		`{"format":1,"entries":[{"path":"main.go","owner":"svcgen"}]}`,
		`{"format":1,"entries":[{"path":"gen/x","owner":"svcgen","new":"h","stage":".svcgen/stage/1"}],"folders":["mine"]}`,
	} {
		w := newWorld(t)
		w.write("main.go", "mine")
		w.write(journalName, text)
		if err := os.Mkdir(w.path("mine"), 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := w.tree.Recover(); err == nil {
			t.Errorf("journal %q was accepted", text)
		}
		if got := w.user(); !maps.Equal(got, map[string]string{"main.go": "mine", "mine/": ""}) {
			t.Errorf("journal %q made the tree %q", text, got)
		}
	}
}
