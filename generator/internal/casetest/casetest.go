// Package casetest runs tests whose cases are txtar files: the first line of each says what it proves, its files are
// an input a user could have, and those below want/ are what must come out, letter by letter.
package casetest

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the test cases produce into them")

// Run calls f for every case in the folder testdata/<dir>, in a directory that holds the case's files, and compares
// what it returns, by file name, with the files below want/. With -update it writes them instead.
func Run(t *testing.T, dir string, f func(t *testing.T) map[string]string) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no test cases in testdata/%s: %v", dir, err)
	}
	for _, name := range cases {
		file, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { run(t, file, f) })
	}
}

func run(t *testing.T, file string, f func(t *testing.T) map[string]string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if line, _, _ := strings.Cut(string(archive.Comment), "\n"); strings.TrimSpace(line) == "" {
		t.Errorf("the first line of %s must say what the case proves", file)
	}
	t.Chdir(t.TempDir())
	want := make(map[string]string)
	input := archive.Files[:0:0]
	for _, f := range archive.Files {
		if name, ok := strings.CutPrefix(f.Name, "want/"); ok {
			want[name] = string(f.Data)
			continue
		}
		input = append(input, f)
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := f(t)
	if *update {
		archive.Files = input
		names := make([]string, 0, len(got))
		for name := range got {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			archive.Files = append(archive.Files, txtar.File{Name: "want/" + name, Data: []byte(got[name])})
		}
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name, text := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("the case does not expect %s:\n%s", name, text)
		} else if text != want[name] {
			t.Errorf("%s is\n%s\nwant\n%s", name, text, want[name])
		}
	}
	for name, text := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s, want\n%s", name, text)
		}
	}
}

// File compares a file with what it must hold. With -update it writes it instead.
func File(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale; run go test with -update", name)
	}
}
