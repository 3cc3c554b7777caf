package generator_test

import (
	"go/build"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrows says which packages of ours a package may import, as go/build/deps_test.go does: those on the left of a <
// may be imported by those on its right, and so may everything to the left of them. NONE imports nothing of ours.
// What a test file imports is its own business.
//
// Beside that, only one package knows each outside technology.
const arrows = `
	# No parser knows Go, no template knows the manifest, nothing but reconcile writes.
	NONE < diag, naming, fileset, merge, descriptor, parallel, templates, fragment, gomod;
	descriptor < drift;
	naming, diag < manifest;
	naming, diag, descriptor, parallel < schema;
	manifest, schema < ir;
	ir < contract;
	ir, fragment, fileset < gogen;
	gogen, fileset, contract < plan;
	plan, templates < render;
	diag < goedit;
	diag, parallel < typecheck;
	# What a changed contract asks of the user's code is decided apart from where and when it is written.
	contract, goedit < evolve;
	fileset, merge, evolve < reconcile;
	render, gomod < generator;
	generator, reconcile, drift, typecheck < cli;
	cli < main;
`

// only names the one package that may import an outside package, and what that package is for.
var only = []restriction{
	{"go.yaml.in/yaml", "manifest", "YAML has positions, dialects and limits: one package knows them"},
	{"github.com/bufbuild/protocompile", "schema", "the proto front end can be exchanged"},
	{"google.golang.org/protobuf/cmd/protoc-gen-go", "gogen", "so can the code generator"},
	{"github.com/Masterminds/sprig", "render", "templates are executed in one place"},
	{"text/template", "render gogen", "templates are executed in one place; the stubs of gRPC are another's"},
	{"github.com/spf13/cobra", "cli", "flags end there"},
	{"golang.org/x/sync/errgroup", "parallel", "a panic in a goroutine of it would end the program with a trace"},
	{"os/exec", "", "nothing is executed"},
	{"net/http", "", "there is no network"},
	{"net", "", "there is no network"},
	{"math/rand", "", "the same input gives the same bytes"},
	{"math/rand/v2", "", "the same input gives the same bytes"},
	{"time", "reconcile", "the same input gives the same bytes; reconcile compares the times of files with each other, and asks no clock"},
}

type restriction struct{ path, by, why string }

// covers includes the packages below one of another module. Those below a standard one are others.
func (r restriction) covers(imported string) bool {
	return imported == r.path || strings.Contains(r.path, ".") && strings.HasPrefix(imported, r.path+"/")
}

const module = "github.com/svcgen/svcgen"

// packages are our packages by their names in arrows, with the folders they are in.
func packages(t *testing.T) map[string]string {
	t.Helper()
	dirs := map[string]string{"main": "..", "generator": ".", "templates": "../templates", "fragment": "../templates/fragment", "gomod": "../templates/gomod"}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || name == "." {
			return err
		}
		if slices.Contains([]string{"testdata", "internal"}, d.Name()) {
			return fs.SkipDir
		}
		dirs[filepath.Base(name)] = name
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// reach expands the table: for each package, all it may import.
func reach(t *testing.T) map[string]map[string]bool {
	t.Helper()
	may := map[string]map[string]bool{}
	var text strings.Builder
	for line := range strings.Lines(arrows) {
		code, _, _ := strings.Cut(line, "#")
		text.WriteString(code)
	}
	for rule := range strings.SplitSeq(text.String(), ";") {
		if strings.TrimSpace(rule) == "" {
			continue
		}
		left, right, ok := strings.Cut(rule, "<")
		if !ok {
			t.Fatalf("rule without an arrow: %s", rule)
		}
		for _, importer := range list(right) {
			if may[importer] == nil {
				may[importer] = map[string]bool{}
			}
			for _, imported := range list(left) {
				if imported == "NONE" {
					continue
				}
				if may[imported] == nil {
					t.Fatalf("%s is used before its own rule", imported)
				}
				may[importer][imported] = true
				for further := range may[imported] {
					may[importer][further] = true
				}
			}
		}
	}
	return may
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

func TestArrows(t *testing.T) {
	may := reach(t)
	dirs := packages(t)
	names := map[string]string{} // by import path
	for name, dir := range dirs {
		names[path.Join(module, "generator", filepath.ToSlash(dir))] = name
	}
	for name, dir := range dirs {
		pkg, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if may[name] == nil {
			t.Errorf("package %s has no rule in the table: say what it may import", name)
			continue
		}
		for _, imported := range pkg.Imports {
			if strings.HasPrefix(imported, module) && !may[name][names[imported]] {
				t.Errorf("%s imports %s, which the table does not allow", name, imported)
			}
			for _, rule := range only {
				if rule.covers(imported) && !slices.Contains(strings.Fields(rule.by), name) {
					t.Errorf("%s imports %s: %s", name, imported, rule.why)
				}
			}
		}
	}
	for name := range may {
		if _, ok := dirs[name]; !ok {
			t.Errorf("the table has a rule for %s, which does not exist", name)
		}
	}
}

// TestArchitecture proves that docs/architecture.md has a row for each package and the arrows as they are.
func TestArchitecture(t *testing.T) {
	page, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, dir := range packages(t) {
		if room := path.Join("generator", filepath.ToSlash(dir)); name != "main" && name != "generator" && name != "templates" && !strings.Contains(string(page), "\n| `"+room+"` |") {
			t.Errorf("docs/architecture.md has no row for %s", room)
		}
	}
	for line := range strings.Lines(arrows) {
		if rule, ok := strings.CutSuffix(strings.TrimSpace(line), ";"); ok && !strings.Contains(string(page), "\n    "+rule+"\n") {
			t.Errorf("docs/architecture.md does not have the arrow %s", rule)
		}
	}
}

// TestOnlyReconcileWrites proves that no other package calls what changes a file system.
func TestOnlyReconcileWrites(t *testing.T) {
	writers := []string{
		"os.WriteFile(", "os.Create(", "os.CreateTemp(", "os.Mkdir(", "os.MkdirAll(", "os.MkdirTemp(", "os.Remove(", "os.RemoveAll(",
		"os.Rename(", "os.OpenFile(", "os.Chmod(", "os.Symlink(", "os.Link(", "os.Truncate(",
	}
	for name, dir := range packages(t) {
		if name == "reconcile" {
			continue
		}
		pkg, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range pkg.GoFiles {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range writers {
				if strings.Contains(string(text), call) {
					t.Errorf("%s/%s calls %s): only package reconcile writes", name, file, call)
				}
			}
		}
	}
}
