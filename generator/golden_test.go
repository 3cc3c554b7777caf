package generator_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/merge"
	"github.com/svcgen/svcgen/generator/reconcile"
)

const (
	examples = "../examples"
	goldens  = "../golden"
)

// names are the folders of examples, each with a manifest. Each has its golden.
func names(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("no examples")
	}
	return names
}

// emit makes the service of a manifest in dir.
func emit(t *testing.T, manifest, dir string) {
	t.Helper()
	out, err := generator.Generate(t.Context(), generator.Input{Manifest: manifest, Version: "devel"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reconcile.CreateTree(dir, out.Files, options(out)); err != nil {
		t.Fatal(err)
	}
}

// options are what the command reconciles out with.
func options(out *generator.Output) reconcile.Options {
	opt := reconcile.Options{Version: "devel"}
	for _, l := range out.Lookups {
		in := reconcile.Input{Path: l.Path}
		if l.Content != nil {
			in.Hash = reconcile.Hash(l.Content)
		}
		opt.Inputs = append(opt.Inputs, in)
	}
	return opt
}

// files reads a whole tree.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = fs.ReadFile(root, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestGolden proves that the committed trees are what svcgen makes of the examples. The diff of a change is read in
// them as a user would see it.
func TestGolden(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			manifest, golden := filepath.Join(examples, name, "svcgen.yaml"), filepath.Join(goldens, name)
			if *update {
				if err := os.RemoveAll(golden); err != nil {
					t.Fatal(err)
				}
				emit(t, manifest, golden)
				return
			}
			fresh := filepath.Join(t.TempDir(), name)
			emit(t, manifest, fresh)
			compare(t, files(t, golden), files(t, fresh))
			if t.Failed() {
				t.Log("go test ./generator -update writes the golden trees again: read their diff as a user would")
			}
		})
	}
}

// compare reports every file that differs, and of the first ones how.
func compare(t *testing.T, want, got map[string][]byte) {
	t.Helper()
	shown := 0
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if bytes.Equal(want[path], got[path]) {
			continue
		}
		diff := ""
		if own := strings.HasPrefix(path, ".svcgen/") || path == reconcile.LockName; !own && shown < 5 {
			shown++
			lines := strings.SplitAfterN(merge.Unified(path, want[path], got[path]), "\n", 40)
			diff = ":\n" + strings.Join(lines[:min(len(lines), 39)], "")
		}
		t.Errorf("%s is not what svcgen emits now%s", path, diff)
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[path]; !ok {
			t.Errorf("%s is in the golden tree, and svcgen does not emit it", path)
		}
	}
}

// TestGoldenBuilds builds, vets and tests every golden tree as its user would: with its own go.mod, under the race
// detector, with the versions go.sum pins.
func TestGoldenBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds whole services")
	}
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(goldens, name)
			command(t, dir, "build", "./...")
			command(t, dir, "vet", "./...")
			command(t, dir, "test", "-race", "./...")
		})
	}
}

// TestOddBuilds does the same with an input that is legal and inconvenient.
func TestOddBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a whole service")
	}
	dir := filepath.Join(t.TempDir(), "odd")
	emit(t, filepath.Join("testdata", "odd", "svcgen.yaml"), dir)
	command(t, dir, "vet", "./...")
	command(t, dir, "test", "./...")
}

// command runs the go command in an emitted tree.
func command(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
}
