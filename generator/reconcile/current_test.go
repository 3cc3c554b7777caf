package reconcile

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/svcgen/svcgen/generator/fileset"
)

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
	if is, err := w.tree.Current(lock, Program{Version: "v1.0.0"}); !is || err != nil {
		t.Errorf("current is %v, %v; want true", is, err)
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
		for how, remember := range map[string]func(*world){
			"":              func(*world) {},
			", remembered":  func(w *world) { w.remember(Program{Version: tt.version}) },
			", racy memory": func(w *world) { w.date(time.Hour); w.mustRemember(Program{Version: tt.version}) },
		} {
			t.Run(tt.name+how, func(t *testing.T) {
				w := newWorld(t)
				w.opt.Inputs = append(w.opt.Inputs, Input{Path: "absent"})
				w.write("in", "in")
				w.mustApply(files...)
				remember(w)
				tt.meddle(w)
				if is := w.current(Program{Version: tt.version}); is != tt.want {
					t.Errorf("current is %v, want %v", is, tt.want)
				}
			})
		}
	}
}
