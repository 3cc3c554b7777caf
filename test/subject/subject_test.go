package subject

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestApply: a patch that does not find its place, or finds two, is an error and changes nothing.
func TestApply(t *testing.T) {
	tests := []struct {
		name  string
		patch Patch
		want  string // of a.go afterwards
		err   string
	}{
		{"replaces", Patch{"a.go", "two", "2"}, "one 2 three, three", ""},
		{"is not there", Patch{"a.go", "four", "4"}, "one two three, three", "found 0 times"},
		{"is there twice", Patch{"a.go", "three", "3"}, "one two three, three", "found 2 times"},
		{"no such file", Patch{"b.go", "one", "1"}, "one two three, three", "no such file"},
		{"creates what is there", Patch{"a.go", "", "new"}, "one two three, three", "is to be created"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := &Tree{Dir: t.TempDir()}
			path := filepath.Join(tree.Dir, "a.go")
			if err := os.WriteFile(path, []byte("one two three, three"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := tree.Apply(tt.patch)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tt.want {
				t.Errorf("the file is %q (%v), want %q", got, err, tt.want)
			}
		})
	}
	t.Run("creates", func(t *testing.T) {
		tree := &Tree{Dir: t.TempDir()}
		if err := tree.Apply(Patch{"b.go", "", "new"}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(tree.Dir, "b.go")); err != nil || string(got) != "new" {
			t.Errorf("the file is %q (%v)", got, err)
		}
	})
}
