// Package docs_test keeps the documentation true where a test can: what is derived from code is current, and
// every link inside the repository leads somewhere.
package docs_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/manifest"
)

var update = flag.Bool("update", false, "rewrite what is derived from code")

// docs/manifest.md is what the manifest's own table of keys says.
func TestManifest(t *testing.T) {
	want := []byte(manifest.Markdown())
	if *update {
		if err := os.WriteFile("manifest.md", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("manifest.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/manifest.md is stale: run make generate")
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// Links of README.md, CONTRIBUTING.md and so on, of docs and of examples lead to files that exist.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../*.md", "../examples/*.md"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, matches...)
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := string(m[1])
			if strings.Contains(target, "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s: %v", page, target, err)
			}
		}
	}
	if links < 10 {
		t.Errorf("found %d links in %d pages: the pattern no longer finds them", links, len(pages))
	}
}

var (
	row    = regexp.MustCompile(`(?m)^\| (\d+) \|.* \| ([^|]+) \|$`)
	script = regexp.MustCompile(`^(scenario|script)/\w+$`)
)

// Each row of docs/regen-scenarios.md names scripts and tests that are there, and each scenario has its row.
func TestScenariosAreShown(t *testing.T) {
	text, err := os.ReadFile("regen-scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsBelow(t, "../generator")
	shown := map[string]bool{}
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 42 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, m := range rows {
		if m[1] != strconv.Itoa(i+1) {
			t.Errorf("row %s is the %dth", m[1], i+1)
		}
		for name := range strings.SplitSeq(m[2], ", ") {
			shown[name] = true
			switch {
			case script.MatchString(name):
				if _, err := os.Stat("../generator/cli/testdata/" + name + ".txtar"); err != nil {
					t.Errorf("row %s: %v", m[1], err)
				}
			case !tests[name]:
				t.Errorf("row %s: there is no %s", m[1], name)
			}
		}
	}
	scripts, err := filepath.Glob("../generator/cli/testdata/scenario/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, name := range scripts {
		if name := "scenario/" + strings.TrimSuffix(filepath.Base(name), ".txtar"); !shown[name] {
			t.Errorf("%s has no row", name)
		}
	}
}

// testsBelow are the tests below a folder, as package.TestName with the folder's name for the package.
func testsBelow(t *testing.T, root string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[filepath.Base(filepath.Dir(name))+"."+m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

var declared = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing`)

// The README of a service says how often an event is tried that the broker refuses: as often as the default has it.
func TestReadmeOfServiceSaysAttempts(t *testing.T) {
	config, err := os.ReadFile("../templates/service/internal/gen/outbox/config.go")
	if err != nil {
		t.Fatal(err)
	}
	attempts := regexp.MustCompile("env:\"RELAY_MAX_ATTEMPTS\" envDefault:\"([0-9]+)\"").FindSubmatch(config)
	if attempts == nil {
		t.Fatal("no default of RELAY_MAX_ATTEMPTS")
	}
	readme, err := os.ReadFile("../templates/fragment/README.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	if want := "is tried " + string(attempts[1]) + " times"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md.tmpl does not say %q", want)
	}
}
