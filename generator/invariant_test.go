package generator_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/merge"
	"github.com/svcgen/svcgen/generator/render"
)

var update = flag.Bool("update", false, "rewrite the committed output")

const reference = "../templates/service"

// notEmitted are the files of the reference service that its own manifest does not give, with the reason.
var notEmitted = []struct{ pattern, reason string }{
	{"variant/", "other databases, brokers and validation: overlays of this tree"},
	{"internal/gen/store/storetest/", "the conformance suite of stores"},
	{"internal/gen/broker/brokertest/", "the conformance suite of brokers"},
	{"internal/gen/**_test.go", "tests of the reference service itself"},
	{"internal/gen/.gitattributes", "git merges by lines what is written by hand here; in an emitted tree svcgen makes it anew"},
}

// notKept are the files that the reference service's manifest gives and that the reference service does not hold.
var notKept = []struct{ pattern, reason string }{
	{"go.mod", "the reference service is part of svcgen's module, and a nested go.mod cannot be embedded"},
	{"go.sum", "as go.mod"},
	{".svcgen/", "no regen runs in the reference service"},
}

func matches(pattern, path string) bool {
	if dir, suffix, ok := strings.Cut(pattern, "**"); ok {
		return strings.HasPrefix(path, dir) && strings.HasSuffix(path, suffix)
	}
	return path == pattern || strings.HasSuffix(pattern, "/") && strings.HasPrefix(path, pattern)
}

func excluded(list []struct{ pattern, reason string }, path string) bool {
	for _, e := range list {
		if matches(e.pattern, path) {
			return true
		}
	}
	return false
}

// TestReferenceService proves that the reference service is what svcgen emits for its manifest: a fragment that no
// longer prints what is compiled and tested there, a file without a row in the plan, a row without its file.
func TestReferenceService(t *testing.T) {
	out, err := generator.Generate(t.Context(), generator.Input{Manifest: reference + "/svcgen.yaml", Version: "devel"})
	if err != nil {
		t.Fatal(err)
	}
	emitted := map[string]bool{}
	for _, f := range out.Files.Files() {
		if excluded(notKept, f.Path) {
			continue
		}
		emitted[f.Path] = true
		want := f.Content
		if f.Owner == fileset.Svcgen {
			// The header says that the file is not to be edited. Here is where it is edited.
			want = bytes.TrimPrefix(want, []byte(render.Header))
		}
		name := filepath.Join(reference, filepath.FromSlash(f.Path))
		got, err := os.ReadFile(name)
		if err == nil && bytes.Equal(got, want) {
			continue
		}
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		t.Errorf("%s (%v) is not what svcgen emits; edit the fragment, or run go test ./generator -update:\n%s", f.Path, err, merge.Unified(f.Path, got, want))
	}
	err = fs.WalkDir(os.DirFS(reference), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !emitted[path] && !excluded(notEmitted, path) {
			t.Errorf("%s is in the reference service and no row of the plan emits it", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
