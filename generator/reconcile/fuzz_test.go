package reconcile

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// FuzzRecover follows arbitrary journals in a tree with something staged. Whatever they say, nothing outside of the tree
// changes, a file is moved at most, and what was followed leaves nothing behind.
func FuzzRecover(f *testing.F) {
	const staged, saved = `.svcgen/stage/000000.new`, `.svcgen/stage/000000.old`
	hash := func(text string) string { return Hash([]byte(text)) }
	for _, entries := range []string{
		`{"path":"a.go","owner":"yours","old":"` + hash("old") + `","new":"` + hash("new") + `","stage":"` + staged + `","saved":"` + saved + `"}`,
		`{"path":"b/c.go","owner":"svcgen","new":"` + hash("new") + `","stage":"` + staged + `"}`,
		`{"path":"a.go","owner":"svcgen","old":"` + hash("old") + `","saved":"` + saved + `"}`,
		`{"path":"a.go","old":"special","new":"` + hash("old") + `","stage":"` + staged + `","saved":"` + saved + `"},{"path":"../x","new":"1","stage":"` + staged + `"}`,
		`{"path":"` + LockName + `","new":"0","stage":"` + staged + `/x"}`,
	} {
		f.Add(`{"format":1,"entries":[` + entries + `]}`)
		f.Add(`{"format":1,"entries":[` + entries + `],"folders":["b"]}`)
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		w := newWorld(t)
		outside := filepath.Join(filepath.Dir(w.dir), "outside")
		if err := os.WriteFile(outside, []byte("theirs"), 0o644); err != nil {
			t.Fatal(err)
		}
		content := map[string]string{"a.go": "old", "d.go": "mine", staged: "new", ".svcgen/stage/000001.old": "kept"}
		for name, text := range content {
			w.write(name, text)
		}
		w.write(journalName, text)
		_, err := w.tree.Recover()
		got := w.all()
		for name, text := range got {
			if !slices.Contains([]string{"old", "mine", "new", "kept"}, text) && name != journalName && !strings.HasSuffix(name, "/") {
				t.Errorf("%s is %q", name, text)
			}
		}
		if !slices.Contains(slices.Collect(maps.Values(got)), "mine") {
			t.Errorf("a file that no journal could mean is gone: %q made %q", text, got)
		}
		if interrupted, again := w.tree.Interrupted(); err == nil && (interrupted || again != nil) {
			t.Errorf("%q left something to recover: %q", text, got)
		}
		if theirs, err := os.ReadFile(outside); err != nil || string(theirs) != "theirs" {
			t.Errorf("the file outside is %q, %v", theirs, err)
		}
	})
}

// FuzzParseMemory reads arbitrary notes about times: what it accepts, it prints and reads again.
func FuzzParseMemory(f *testing.F) {
	f.Add(memoryFormat + "\nseen 1\nlock aa\nprogram 1 2 aa /usr/bin/svcgen\nfile 3 4 bb gen/a.go\n")
	f.Add(memoryFormat + "\nseen 9\nfile 0 0 - \"a\\nb\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := parseMemory(text)
		if !ok {
			return
		}
		again, ok := parseMemory(string(m.format()))
		if !ok {
			t.Fatalf("what was printed is refused:\n%s", m.format())
		}
		if !bytes.Equal(again.format(), m.format()) {
			t.Errorf("printed\n%s\nthen\n%s", m.format(), again.format())
		}
	})
}

// FuzzMergeGoMod merges arbitrary go.mod files: the result is one, has every requirement of both, and none is lower
// than the user's.
func FuzzMergeGoMod(f *testing.F) {
	f.Add("module m\n\ngo 1.26.0\n\nrequire (\n\ta.com/a v1.9.0 // pinned\n\ta.com/mine v1.0.0\n)\n\nreplace a.com/a => ../a\n", "module m\n\ngo 1.26.1\n\nrequire a.com/a v1.1.0\nrequire a.com/b v1.1.0 // indirect\n")
	f.Add("module m\r\nrequire a.com/a v0.0.0-20200101000000-000000000000\r\n// end", "module m\ntool a.com/a\n")
	f.Add("", "module m\ngo 1.26\n")
	f.Fuzz(func(t *testing.T, ours, theirs string) {
		used := func(string) bool { return false }
		got, err := mergeGoMod(nil, []byte(ours), []byte(theirs), used)
		if err != nil {
			return
		}
		merged, err := modfile.Parse("go.mod", got, nil)
		if err != nil {
			t.Fatalf("%v\n%q and %q became\n%q", err, ours, theirs, got)
		}
		versions := map[string]string{}
		for _, r := range merged.Require {
			versions[r.Mod.Path] = r.Mod.Version
		}
		for _, text := range []string{ours, theirs} {
			file, err := modfile.Parse("go.mod", []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range file.Require {
				if semver.Compare(versions[r.Mod.Path], r.Mod.Version) < 0 {
					t.Errorf("%s %s is %q in the merged one\n%q and %q became\n%q", r.Mod.Path, r.Mod.Version, versions[r.Mod.Path], ours, theirs, got)
				}
			}
		}
		again, err := mergeGoMod([]byte(theirs), got, []byte(theirs), used)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("merged twice: %v\n%q then\n%q", err, got, again)
		}
	})
}
