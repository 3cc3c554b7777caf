package generator_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/cli"
	"github.com/svcgen/svcgen/generator/internal/earlier"
)

// TestUpgrade brings a service that an earlier svcgen emitted, and that somebody has worked on for weeks, up to date.
// It built before, builds and vets after, and every edit is where it was made.
func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	if err := earlier.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	emitted := files(t, dir)
	if err := earlier.Work(dir); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	if !testing.Short() {
		command(t, dir, "vet", "./...")
	}

	var out, errs bytes.Buffer
	if code := cli.Main([]string{"regen", dir}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("svcgen regen: exit code %d\n%s%s", code, &out, &errs)
	}
	after := files(t, dir)
	for _, e := range earlier.Edits() {
		if n := bytes.Count(after[e.File], []byte(e.New)); e.New != "" && n != 1 {
			t.Errorf("%s has %d times what was written into it: %q", e.File, n, e.New)
		}
	}
	for _, name := range earlier.Deleted() {
		if _, back := after[name]; back {
			t.Errorf("%s was deleted and is back", name)
		}
	}
	// Where somebody worked, every line that is not of the earlier svcgen's is there, in its order.
	for name, text := range before {
		if strings.HasPrefix(name, ".svcgen/") || name == "svcgen.lock" || bytes.Equal(text, emitted[name]) {
			continue
		}
		if lost := lost(emitted[name], text, after[name]); lost != "" {
			t.Errorf("%s has lost %q", name, lost)
		}
		if name != "go.mod" && (strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "migrations/")) && !bytes.Equal(text, after[name]) {
			t.Errorf("%s is not as it was left", name)
		}
	}
	// It is an upgrade: what changed in svcgen since has arrived, in files nobody edited and in those somebody did.
	for _, name := range []string{"internal/gen/rpc/server.go", "README.md", "compose.yaml", "Makefile", "go.mod", "deploy/deployment.yaml", ".env.example"} {
		if bytes.Equal(after[name], before[name]) {
			t.Errorf("%s is what it was", name)
		}
	}
	if pending, err := filepath.Glob(filepath.Join(dir, "*.svcgen-new")); err != nil || pending != nil {
		t.Errorf("not merged: %v, %v", pending, err)
	}
	if !testing.Short() {
		command(t, dir, "build", "./...")
		command(t, dir, "vet", "./...")
	}

	out.Reset()
	if code := cli.Main([]string{"regen", dir}, strings.NewReader(""), &out, os.Stderr); code != 0 || out.String() != "nothing to do\n" {
		t.Errorf("a second run: exit code %d, %q", code, &out)
	}
	compare(t, after, files(t, dir))
	if code := cli.Main([]string{"regen", dir, "--check"}, strings.NewReader(""), &out, os.Stderr); code != 0 {
		t.Errorf("--check: exit code %d", code)
	}
}

// lost is the first line somebody added to emitted that is not in after, or not in its order; empty for none.
func lost(emitted, edited, after []byte) string {
	theirs := strings.SplitAfter(string(emitted), "\n")
	rest := strings.SplitAfter(string(after), "\n")
	for line := range strings.Lines(string(edited)) {
		if slices.Contains(theirs, line) {
			continue
		}
		at := slices.Index(rest, line)
		if at < 0 {
			return line
		}
		rest = rest[at+1:]
	}
	return ""
}
