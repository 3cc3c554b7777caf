// Package property makes random services, lets a random person work on them and changes their protos at random, and
// holds every svcgen regen against what docs/regen.md promises: each line a person wrote is there once, in its file
// and its order; every body is what it was; what built before builds after; a second run changes nothing.
//
// A case is a service and a few rounds of work and change. A failure prints its seed; -seed N -cases 1 runs it alone,
// and -keep shows the tree it left.
package property

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcgen/svcgen/generator/cli"
)

var (
	seed  = flag.Uint64("seed", 1, "of the first case; each case has the next one")
	cases = flag.Int("cases", 40, "random services")
	soak  = flag.Duration("soak", 0, "go on with further cases for this long")
	keep  = flag.Bool("keep", false, "keep the tree of a case that fails")
)

// rounds of work, change and regen that one service lives through.
const rounds = 6

// TestRegen is the property test.
func TestRegen(t *testing.T) {
	if testing.Short() {
		t.Skip("makes many services")
	}
	first, until := *seed, time.Now().Add(*soak)
	if *soak > 0 && first == 1 {
		first = uint64(time.Now().UnixNano())
	}
	t.Logf("seeds from %d", first)
	checker := newChecker(t)
	for i := 0; i < *cases || time.Now().Before(until); i += 50 {
		checker.forget()
		t.Run("seed", func(t *testing.T) {
			for j := i; j < i+50 && (j < *cases || *soak > 0); j++ {
				t.Run(fmt.Sprint(first+uint64(j)), func(t *testing.T) {
					t.Parallel()
					live(t, checker, first+uint64(j))
				})
			}
		})
		if t.Failed() {
			break
		}
	}
}

// live is the life of one service.
func live(t *testing.T, c *checker, seed uint64) {
	r := randFor(seed)
	dir := scratch(t)
	w := &world{Rand: r}
	s := w.service()
	s.write(t, filepath.Join(dir, "in"))
	tree := filepath.Join(dir, "orders")
	if code, out := svcgen("new", filepath.Join(dir, "in", "svcgen.yaml"), "--out", tree); code != 0 {
		t.Fatalf("svcgen new: exit code %d\n%s", code, out)
	}
	p := &person{Rand: r, dir: tree, touched: map[string]bool{}}
	var story []string
	defer func() { t.Log(strings.Join(story, "\n")) }()
	for range rounds {
		story = append(story, p.work(t)...)
		if err := c.check(tree); err != nil {
			t.Fatalf("the person of this test broke the build: %v\n%s", err, strings.Join(story, "\n"))
		}
		story = append(story, s.change(w)...)
		s.write(t, tree)
		before := read(t, tree)
		code, out := svcgen("regen", "--allow-breaking", tree)
		story = append(story, fmt.Sprintf("regen: exit code %d", code))
		after := read(t, tree)
		problem := p.compare(before, after)
		if code != 0 && code != 3 {
			problem = fmt.Sprintf("exit code %d\n%s", code, out)
		}
		if problem == "" {
			if err := c.check(tree); err != nil {
				problem = fmt.Sprintf("it does not build any more: %v\n%s", err, out)
			}
		}
		if problem == "" {
			again, out := svcgen("regen", "--allow-breaking", tree)
			if again != code || code == 0 && out != "nothing to do\n" {
				problem = fmt.Sprintf("a second run: exit code %d\n%s", again, out)
			} else if name := differs(after, read(t, tree)); name != "" {
				problem = "a second run changed " + name
			} else if found, out := svcgen("regen", "--allow-breaking", "--check", tree); found != min(code, 1) { // it takes nothing from earlier runs
				problem = fmt.Sprintf("a check: exit code %d\n%s", found, out)
			}
		}
		if problem != "" {
			t.Fatalf("%s\n\n%s\n\n%s", problem, strings.Join(story, "\n"), changed(before, after))
		}
		// Somebody merges what could not be.
		for name := range after {
			if mine, pending := strings.CutSuffix(name, ".svcgen-new"); pending {
				story = append(story, "takes "+name)
				delete(p.touched, mine)
				if err := os.Rename(filepath.Join(tree, filepath.FromSlash(name)), filepath.Join(tree, filepath.FromSlash(mine))); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// svcgen runs the command in this process.
func svcgen(args ...string) (int, string) {
	var out bytes.Buffer
	code := cli.Main(args, strings.NewReader(""), &out, &out)
	return code, out.String()
}

// read reads a tree; without .svcgen/local and .svcgen/compiled, which are notes for the next run.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		rel, relErr := filepath.Rel(dir, name)
		if err != nil || relErr != nil || d.IsDir() || rel == ".svcgen/local" || rel == ".svcgen/compiled" {
			return err
		}
		text, err := os.ReadFile(name)
		all[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func differs(a, b map[string]string) string {
	for name := range a {
		if _, ok := b[name]; !ok || a[name] != b[name] {
			return name
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			return name
		}
	}
	return ""
}

// changed prints the user's files that a run changed.
func changed(before, after map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if strings.HasPrefix(name, "internal/orders/") && before[name] != after[name] {
			fmt.Fprintf(&b, "-- %s, before --\n%s\n-- after --\n%s\n", name, before[name], after[name])
		}
	}
	return b.String()
}

// scratch is a folder in memory, where the system has one.
func scratch(t *testing.T) string {
	t.Helper()
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = os.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "svcgen-property") //nolint:usetesting // TempDir is on the disk
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if *keep && t.Failed() {
			t.Log("kept in " + dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
