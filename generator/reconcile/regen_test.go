package reconcile

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

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
			name:   "go.mod keeps its line endings",
			before: []fileset.File{merged("go.mod", "module m\n\nrequire a.com/a v1.0.0\n")},
			meddle: func(w *world) { w.write("go.mod", "module m // mine\r\n\r\nrequire a.com/a v1.0.0\r\n") },
			after:  []fileset.File{merged("go.mod", "module m\n\nrequire a.com/a v1.1.0\n")},
			did:    "merge go.mod",
			want:   map[string]string{"go.mod": "module m // mine\r\n\r\nrequire a.com/a v1.1.0\r\n"},
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
			name: "so does what it needs of that, though it is indirect",
			before: []fileset.File{
				merged("go.mod", "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/c v1.0.0\n)\n\nrequire a.com/b v1.0.0 // indirect\n"), merged("go.sum", "a v1 h1:a\nb v1 h1:b\n"),
			},
			meddle: func(w *world) { w.write("mine.go", "package m\n\nimport _ \"a.com/b/x\"\n") },
			after:  []fileset.File{merged("go.mod", "module m\n\nrequire a.com/a v1.0.0\n"), merged("go.sum", "a v1 h1:a\n")},
			did:    "merge go.mod",
			want: map[string]string{
				"go.mod": "module m\n\nrequire (\n\ta.com/a v1.0.0\n)\n\nrequire a.com/b v1.0.0 // indirect\n", "go.sum": "a v1 h1:a\nb v1 h1:b\n",
				"mine.go": "package m\n\nimport _ \"a.com/b/x\"\n",
			},
		},
		{
			name: "what code of the user's needs stays in a go.mod and go.sum nobody edited",
			before: []fileset.File{
				merged("go.mod", "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/b v1.0.0\n\ta.com/c v1.0.0\n)\n"), merged("go.sum", "a v1 h1:a\nb v1 h1:b\n"),
			},
			meddle: func(w *world) { w.write("mine.go", "package m\n\nimport _ \"a.com/b/x\"\n") },
			after:  []fileset.File{merged("go.mod", "module m\n\nrequire a.com/a v1.0.0\n"), merged("go.sum", "a v1 h1:a\n")},
			did:    "merge go.mod",
			want: map[string]string{
				"go.mod": "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/b v1.0.0\n)\n", "go.sum": "a v1 h1:a\nb v1 h1:b\n",
				"mine.go": "package m\n\nimport _ \"a.com/b/x\"\n",
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

// TestSavedMeanwhile: a person saves a file after its new text was made, and before it is known what was there.
func TestSavedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.write("a.go", "package a\n\n// mine\n")
	begin := func() *planner {
		p := &planner{tree: w.tree, disk: map[string]found{}, next: Lock{Files: map[string]Entry{}}}
		p.source = map[string][]byte{"a.go": []byte("package a\n")}
		p.text = map[string][]byte{"a.go": []byte("package a\n\nfunc f() {}\n")}
		return p
	}
	for name, plan := range map[string]func(*planner) error{
		"edited":  func(p *planner) error { return p.edited("a.go") },
		"renamed": func(p *planner) error { return p.arrive(yours("b.go", "package a\n"), "a.go") },
		"left":    func(p *planner) error { p.moved = map[string]string{"a.go": "b.go"}; return p.vacate() },
		"a stub nobody had edited": func(p *planner) error {
			p.source, p.disk = nil, map[string]found{"a.go": {exists: true, regular: true, hash: Hash([]byte("package a\n"))}}
			return p.arrive(yours("b.go", "package a\n"), "a.go")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := begin()
			if err := plan(p); !errors.Is(err, errChanged) || !strings.Contains(err.Error(), "a.go") {
				t.Errorf("the error is %v", err)
			}
			if !p.changes.Empty() {
				t.Error("it is to be replaced")
			}
		})
	}
}

// TestFolderBecomesLink: what a person does to a folder between the comparison and the change leaves no run to finish.
func TestFolderBecomesLink(t *testing.T) {
	w := newWorld(t)
	w.mustApply(own("gen/a.go", "one"))
	changes, err := w.tree.Plan(set(t, own("gen/a.go", "two")), w.opt)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.tree.stage(changes.writes)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "gen")
	if err := errors.Join(os.Rename(w.path("gen"), elsewhere), os.Symlink(elsewhere, w.path("gen"))); err != nil {
		t.Fatal(err)
	}
	if err := w.tree.commit(entries); err == nil {
		t.Fatal("no error")
	}
	if interrupted, err := w.tree.Interrupted(); err != nil || interrupted {
		t.Errorf("nothing was moved, and a run is left to finish: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(elsewhere, "a.go")); err != nil || string(text) != "one" {
		t.Errorf("the file is %q: %v", text, err)
	}
}
