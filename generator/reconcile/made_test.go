package reconcile

import (
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

// What was made before is taken from the tree only while it is what was made, and only by the svcgen that made it. Of a
// user's file only the hash is known that it had then.
func TestMade(t *testing.T) {
	p := Program{Version: "v1.0.0"}
	files := []fileset.File{
		{Path: "gen/a.pb.go", Owner: fileset.Svcgen, Mode: 0o644, Content: []byte("package a\n"), Key: "code:1"},
		{Path: "internal/s/b.go", Owner: fileset.User, Mode: 0o644, Content: []byte("package s\n"), Key: "text:2"},
		{Path: "c.go", Owner: fileset.Svcgen, Mode: 0o644, Content: []byte("package c\n")},
	}
	for name, tt := range map[string]struct {
		change func(w *world)
		p      Program
		key    string
		want   string
		hash   string
		lost   bool // also what was made last for gen/a.pb.go
	}{
		"svcgen's":          {key: "code:1", want: "package a\n"},
		"the user's":        {key: "text:2", hash: Hash([]byte("package s\n"))},
		"another key":       {key: "code:2"},
		"another svcgen":    {lost: true, key: "code:1", p: Program{Version: "v1.0.1"}},
		"a development one": {lost: true, key: "code:1", p: Program{Version: "v1.0.0", Development: true, Executable: "/none"}},
		"edited":            {key: "text:2", hash: Hash([]byte("package s\n")), change: func(w *world) { w.write("internal/s/b.go", "package s \n") }},
		"gone":              {lost: true, key: "code:1", change: func(w *world) { w.remove("gen/a.pb.go") }},
		"no memory":         {lost: true, key: "code:1", change: func(w *world) { w.remove(".svcgen/local") }},
		"a part of the memory": {lost: true, key: "code:1", change: func(w *world) {
			local := w.all()[".svcgen/local"]
			w.write(".svcgen/local", local[:len(local)-3])
		}},
		"a forged memory": {lost: true, key: "code:1", change: func(w *world) {
			w.write(".svcgen/local", "svcgen local 3\nseen 1\nmade by v1.0.0\nmade code:1 00 gen/a.pb.go\n")
		}},
		"an unreadable line": {lost: true, key: "code:1", change: func(w *world) { w.write(".svcgen/local", "svcgen local 3\nseen 1\nmade by v1.0.0\nmade code:1\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.apply(files...); err != nil {
				t.Fatal(err)
			}
			if err := w.tree.Remember(p, set(t, files...), nil); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(w)
			}
			if tt.p == (Program{}) {
				tt.p = p
			}
			var got, hash string
			if kept := w.tree.Made(tt.p).Get(tt.key); kept != nil && kept.Read == nil {
				hash = kept.Hash
			} else if kept != nil {
				content, err := kept.Read()
				if err != nil || kept.Hash != Hash(content) {
					t.Errorf("%q has the hash %s, want %s; %v", content, Hash(content), kept.Hash, err)
				}
				got = string(content)
			}
			last := map[string]string{"gen/a.pb.go": "package a\n", "internal/s/b.go": "", "c.go": ""}
			if tt.lost {
				last["gen/a.pb.go"] = ""
			}
			for path, want := range last {
				if got := w.tree.Made(tt.p).Last(path); string(got) != want {
					t.Errorf("what was made last for %s is %q, want %q", path, got, want)
				}
			}
			if got != tt.want || hash != tt.hash {
				t.Errorf("got %q and the hash %q, want %q and %q", got, hash, tt.want, tt.hash)
			}
		})
	}
}

// What the protos were compiled to is there for the svcgen that wrote it, as long as it is whole.
func TestCompiled(t *testing.T) {
	p := Program{Version: "v1.0.0"}
	for name, tt := range map[string]struct {
		change func(w *world)
		p      Program
		want   string
	}{
		"the same":       {want: "compiled"},
		"another svcgen": {p: Program{Version: "v1.0.1"}},
		"half of it":     {change: func(w *world) { w.write(".svcgen/compiled", "comp") }},
		"none":           {change: func(w *world) { w.remove(".svcgen/compiled") }},
		"no memory":      {change: func(w *world) { w.remove(".svcgen/local") }},
		"nothing to keep": {change: func(w *world) {
			if err := w.tree.Remember(p, set(w.t), nil); err != nil {
				w.t.Fatal(err)
			}
			if _, left := w.all()[".svcgen/compiled"]; left {
				w.t.Error("what is not to be kept is there still")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mustApply(own("gen/a.go", "one"))
			if err := w.tree.Remember(p, set(t), []byte("compiled")); err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(w)
			}
			if tt.p == (Program{}) {
				tt.p = p
			}
			if got := string(w.tree.Compiled(tt.p)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
