package merge

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestThreeWay(t *testing.T) {
	tests := []struct {
		name, base, ours, theirs string
		want                     string
		conflict                 bool
	}{
		{"nothing changed", "a\nb\n", "a\nb\n", "a\nb\n", "a\nb\n", false},
		{"only ours changed", "a\nb\n", "a\nB\n", "a\nb\n", "a\nB\n", false},
		{"only theirs changed", "a\nb\n", "a\nb\n", "a\nB\n", "a\nB\n", false},
		{"both changed apart", "a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n", "A\nb\nc\nD\n", false},
		{"both made the same change", "a\nb\n", "a\nX\n", "a\nX\n", "a\nX\n", false},
		{"both changed one line", "a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n", "", true},
		{"changes that touch", "a\nb\n", "A\nb\n", "a\nB\n", "", true},
		{"two insertions at one point", "a\nb\n", "a\nx\nb\n", "a\ny\nb\n", "", true},
		{"deleted here, changed there", "a\nb\nc\n", "a\nc\n", "a\nB\nc\n", "", true},
		{"appended below a changed head", "a\nb\nc\n", "A\nb\nc\n", "a\nb\nc\nd\n", "A\nb\nc\nd\n", false},
		{"ours in CRLF", "a\nb\nc\nd\n", "a\r\nb\r\nc\r\nmine\r\n", "A\nb\nc\nd\n", "A\r\nb\r\nc\r\nmine\r\n", false},
		{"ours with a byte order mark", "a\nb\nc\n", "\ufeffa\nb\nC\n", "A\nb\nc\n", "\ufeffA\nb\nC\n", false},
		{"no newline at the end", "a\nb\nc", "A\nb\nc", "a\nb\nc\n", "A\nb\nc\n", false},
		{"ours emptied", "a\nb\n", "", "a\nb\n", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, conflicts := ThreeWay([]byte(test.base), []byte(test.ours), []byte(test.theirs))
			if (conflicts != nil) != test.conflict {
				t.Fatalf("conflicts %+v, want some: %t", conflicts, test.conflict)
			}
			if string(got) != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestConflictNamesTheLine(t *testing.T) {
	_, conflicts := ThreeWay([]byte("a\nb\nc\nd\ne\n"), []byte("new\na\nb\nc\nX\ne\n"), []byte("a\nb\nc\nY\ne\n"))
	if len(conflicts) != 1 || conflicts[0] != (Conflict{Line: 5, Base: "d\n", Ours: "X\n", Theirs: "Y\n"}) {
		t.Errorf("conflicts %+v", conflicts)
	}
}

// edit changes about share of the lines of text: replaced, removed, doubled or followed by a new one.
func edit(rng *rand.Rand, text []string, share float64) []string {
	var out []string
	for _, line := range text {
		if rng.Float64() >= share {
			out = append(out, line)
			continue
		}
		switch rng.IntN(4) {
		case 0:
			out = append(out, fmt.Sprintf("new %d\n", rng.IntN(5)))
		case 1:
		case 2:
			out = append(out, line, line)
		case 3:
			out = append(out, line, fmt.Sprintf("added %d\n", rng.IntN(5)))
		}
	}
	return out
}

// TestAgreesWithGit compares verdict and bytes with `git merge-file` on random edits.
func TestAgreesWithGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed: the merge is not compared with git merge-file")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	differ := 0
	const cases = 400
	for range cases {
		base := make([]string, 5+rng.IntN(60))
		for i := range base {
			base[i] = fmt.Sprintf("line %d\n", rng.IntN(200))
		}
		share := rng.Float64() * 0.2
		ours, theirs := edit(rng, base, share), edit(rng, base, share)
		for name, text := range map[string][]string{"base": base, "ours": ours, "theirs": theirs} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(text, "")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(git, "merge-file", "-p", "--diff3", "ours", "base", "theirs")
		cmd.Dir = dir
		want, err := cmd.Output()
		clean := err == nil
		got, conflicts := ThreeWay([]byte(strings.Join(base, "")), []byte(strings.Join(ours, "")), []byte(strings.Join(theirs, "")))
		switch {
		case clean != (conflicts == nil):
			differ++ // where a repeated line can be matched in two ways, the two may see different hunks
		case clean && string(got) != string(want):
			differ++
		}
	}
	if differ > cases/50 {
		t.Errorf("%d of %d merges differ from git merge-file", differ, cases)
	}
	t.Logf("%d of %d differ", differ, cases)
}

func TestUnified(t *testing.T) {
	tests := []struct{ name, a, b, want string }{
		{"equal", "a\n", "a\n", ""},
		{"changed", "a\nb\nc\n", "a\nB\nc\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
		{"far apart", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
			"--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n 8\n-9\n+y\n"},
		{"newline lost", "a\n", "a", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Unified("f", []byte(test.a), []byte(test.b)); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
	if got := Unified("f", nil, []byte("a\n")); got != "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n" {
		t.Errorf("a new file: %q", got)
	}
}

func FuzzThreeWay(f *testing.F) {
	f.Add("a\nb\n", "a\nB\n", "A\nb\n")
	f.Add("", "\ufeffx\r\n", "y")
	f.Fuzz(func(t *testing.T, base, ours, theirs string) {
		b, o, th := []byte(base), []byte(ours), []byte(theirs)
		if got, conflicts := ThreeWay(b, o, b); conflicts != nil || string(got) != ours {
			t.Fatalf("theirs unchanged: %q, %v", got, conflicts)
		}
		if got, conflicts := ThreeWay(o, o, o); conflicts != nil || string(got) != ours {
			t.Fatalf("all the same: %q, %v", got, conflicts)
		}
		if got, conflicts := ThreeWay(b, b, th); styleOf(b) == (style{}) && styleOf(th) == (style{}) &&
			(conflicts != nil || string(got) != theirs) {
			t.Fatalf("ours unchanged: %q, %v", got, conflicts)
		}
		got, conflicts := ThreeWay(b, o, th)
		if (got == nil) != (conflicts != nil) && conflicts != nil {
			t.Fatal("both a text and conflicts")
		}
		if conflicts != nil {
			return
		}
		// No line that ours has added is lost.
		have := map[string]int{}
		for _, line := range lines(got) {
			have[line]++
		}
		baseLines := lines(styleOf(o).apply(b))
		oursLines := lines(o)
		for _, h := range diff(baseLines, oursLines) {
			for _, line := range oursLines[h.B0:h.B1] {
				if have[line] == 0 {
					t.Fatalf("line %q of ours is lost: base %q ours %q theirs %q merged %q", line, base, ours, theirs, got)
				}
			}
		}
	})
}
