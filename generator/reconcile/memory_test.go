package reconcile

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/svcgen/svcgen/generator/fileset"
)

// date gives the files of the tree another time: an old one is settled, for a memory made now; a young one is not.
func (w *world) date(from time.Duration) {
	w.t.Helper()
	at := time.Now().Add(from).Truncate(time.Second).Add(time.Millisecond)
	err := fs.WalkDir(os.DirFS(w.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(w.path(name), at, at)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mustRemember(p Program) {
	w.t.Helper()
	if err := w.tree.Remember(p, &fileset.Set{}, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remember(p Program) {
	w.t.Helper()
	w.date(-time.Hour)
	w.mustRemember(p)
}

func (w *world) current(p Program) bool {
	w.t.Helper()
	lock, err := w.tree.Lock()
	if err != nil {
		w.t.Fatal(err)
	}
	is, err := w.tree.Current(lock, p)
	if err != nil {
		w.t.Fatal(err)
	}
	return is
}

// forge changes a file without its size and time.
func (w *world) forge(name, content string) {
	w.t.Helper()
	before, err := os.Stat(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, content)
	if err := os.Chtimes(w.path(name), before.ModTime(), before.ModTime()); err != nil {
		w.t.Fatal(err)
	}
}

// TestMemorySavesReading shows what is trusted and what is not, by a change that size and time do not show.
func TestMemorySavesReading(t *testing.T) {
	program := Program{Version: "v1.0.0"}
	tests := []struct {
		name     string
		remember func(*world)
		want     bool
	}{
		{name: "an old file is not read", remember: func(w *world) { w.remember(program) }, want: true},
		{name: "a file as young as the memory is read", remember: func(w *world) { w.date(time.Hour); w.mustRemember(program) }},
		{name: "a memory that cannot be read is none", remember: func(w *world) { w.remember(program); w.write(".svcgen/local", "\x00\x00") }},
		{name: "no memory", remember: func(*world) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.write("in", "in")
			w.mustApply(own("gen/a.go", "one"))
			tt.remember(w)
			w.forge("gen/a.go", "two")
			if is := w.current(program); is != tt.want {
				t.Errorf("current is %v, want %v", is, tt.want)
			}
		})
	}
}

// A plan reads no file that is remembered as it should be, unless it is to look at everything.
func TestPlanTrusts(t *testing.T) {
	w := newWorld(t)
	w.mustApply(own("gen/a.go", "one"), own("gen/b.go", "one"))
	w.remember(Program{Version: "v1.0.0"})
	w.forge("gen/a.go", "two")
	w.forge("gen/b.go", "two")

	same, other := set(t, own("gen/a.go", "one"), own("gen/b.go", "one")), set(t, own("gen/a.go", "one"), own("gen/b.go", "1ne"))
	changes, err := w.tree.Plan(same, w.opt)
	if err != nil || changes.Unchanged != 2 {
		t.Errorf("%v, %d unchanged, want 2", err, changes.Unchanged)
	}
	_, err = w.tree.Plan(other, w.opt)
	if edited, ok := errors.AsType[*EditedError](err); !ok || len(edited.Actions) != 2 {
		t.Errorf("%v, want an error about both: what is to be replaced is read, and if it was not what it seemed, so is everything", err)
	}
	making := fileset.File{Path: "gen/b.go", Owner: fileset.Svcgen, Kept: &fileset.Kept{Read: func() ([]byte, error) { return []byte("one"), nil }}}
	_, err = w.tree.Plan(set(t, own("gen/a.go", "one"), making), w.opt)
	if edited, ok := errors.AsType[*EditedError](err); !ok || len(edited.Actions) != 2 {
		t.Errorf("%v, want an error about both: what is in the making may replace it, though it turns out to be the same", err)
	}
	w.opt.Thorough = true
	_, err = w.tree.Plan(same, w.opt)
	if edited, ok := errors.AsType[*EditedError](err); !ok || len(edited.Actions) != 2 {
		t.Errorf("%v, want an error about both", err)
	}
}

// TestDevelopmentBuild proves that a build knows only the trees it has left itself.
func TestDevelopmentBuild(t *testing.T) {
	tests := []struct {
		name   string
		meddle func(w *world, program string)
		want   bool
	}{
		{name: "the same build", meddle: func(*world, string) {}, want: true},
		{name: "another build", meddle: func(w *world, program string) { w.forgeLater(program, "build 2") }},
		{name: "the same build, made again", meddle: func(w *world, program string) { w.forgeLater(program, "build 1") }, want: true},
		{name: "a build that cannot be read", meddle: func(w *world, program string) { w.remove(program) }},
		{name: "another lock", meddle: func(w *world, _ string) {
			text, err := os.ReadFile(w.path(LockName))
			if err != nil {
				w.t.Fatal(err)
			}
			w.write(LockName, string(text)+"# of a colleague\n")
		}},
		{name: "the memory is lost", meddle: func(w *world, _ string) { w.remove(".svcgen/local") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.opt.Version = "devel"
			w.write("in", "in")
			w.write("bin/svcgen", "build 1")
			w.mustApply(own("gen/a.go", "one"))
			program := Program{Version: "devel", Development: true, Executable: w.path("bin/svcgen")}
			w.remember(program)
			tt.meddle(w, "bin/svcgen")
			if is := w.current(program); is != tt.want {
				t.Errorf("current is %v, want %v", is, tt.want)
			}
		})
	}
}

// forgeLater changes a file and its time, as a build does.
func (w *world) forgeLater(name, content string) {
	w.t.Helper()
	w.write(name, content)
	later := time.Now().Add(-time.Minute)
	if err := os.Chtimes(w.path(name), later, later); err != nil {
		w.t.Fatal(err)
	}
}

// TestMemoryLosesNothing changes a stub of the user's without its size and time, and then the plan: to another stub, to none, and
// to a name it goes to. What is about to be replaced is read, whatever is remembered.
func TestMemoryLosesNothing(t *testing.T) {
	stub := func(name, content string) fileset.File {
		return fileset.File{Path: name, Owner: fileset.User, Mode: 0o644, Content: []byte(content), Decl: fileset.Decl{Package: "s", Type: "S", Method: "Get"}}
	}
	const made, edited = "package s\n\nfunc (s *S) Get() { todo() }\n", "package s\n\nfunc (s *S) Get() { done() }\n"
	for name, next := range map[string][]fileset.File{
		"another stub":       {stub("internal/s/get.go", "package s\n\nfunc (s *S) Get() { more() }\n")},
		"none":               nil,
		"a file of svcgen's": {own("internal/s/get.go", made)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustApply(own("go.mod", "module m\n"), stub("internal/s/get.go", made))
			w.remember(Program{Version: "v1.0.0"})
			w.forge("internal/s/get.go", edited)
			_, err := w.apply(append(next, own("go.mod", "module m\n"))...)
			var refused *EditedError
			if err != nil && !errors.As(err, &refused) {
				t.Fatal(err)
			}
			if got := w.user()["internal/s/get.go"]; got != edited {
				t.Errorf("the edit is gone: %q", got)
			}
		})
	}
}

// TestRememberAfterAChange: what a person does between the plan and the memory of it is seen by the next run.
func TestRememberAfterAChange(t *testing.T) {
	w := newWorld(t)
	w.write("in", "in")
	program := Program{Version: "v1.0.0"}
	files := []fileset.File{own("gen/a.go", "one"), yours("b.go", "package b\n")}
	w.mustApply(files...)
	w.remember(program)
	if _, err := w.tree.Plan(set(t, files...), w.opt); err != nil {
		t.Fatal(err)
	}
	if !w.tree.still["gen/a.go"] || !w.tree.still["b.go"] {
		t.Fatal("the plan has read what is remembered")
	}
	w.write("gen/a.go", "two")
	w.write("b.go", "package c\n")
	w.mustRemember(program)
	if w.current(program) {
		t.Error("the change of a file of svcgen's is not seen")
	}
	changes, err := w.tree.Plan(set(t, own("gen/a.go", "two"), yours("b.go", "package d\n")), w.opt)
	if err != nil || changes.Count(Update) != 0 {
		t.Errorf("%v: the change of a file of the user's is not seen: %v", err, changes)
	}
}

// TestRememberWhatWasWritten: of a file that a run has written again, the new content is remembered.
func TestRememberWhatWasWritten(t *testing.T) {
	w := newWorld(t)
	w.write("in", "in")
	program := Program{Version: "v1.0.0"}
	w.mustApply(own("gen/a.go", "one"))
	w.remember(program)
	w.mustApply(own("gen/a.go", "two"))
	w.mustRemember(program)
	again, err := Open(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.wholeMemory().files["gen/a.go"].hash; got != Hash([]byte("two")) {
		t.Errorf("its hash is noted as %q", got)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
