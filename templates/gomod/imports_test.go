package gomod

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const referencePath = "github.com/svcgen/svcgen/templates/service"

// imports are the packages of other modules that a service needs, for itself and for its tests.
type imports struct{ code, tests []string }

func (i imports) with(more imports) imports {
	return imports{code: union(i.code, more.code), tests: union(i.tests, more.tests)}
}

func union(a, b []string) []string {
	both := slices.Concat(a, b)
	slices.Sort(both)
	return slices.Compact(both)
}

// serviceImports reads them off the reference service: the base with each folder that an overlay has taken from
// the overlay.
func serviceImports(t *testing.T, database, broker string) imports {
	t.Helper()
	root := filepath.Join("..", "service")
	folders := make(map[string]string) // of the emitted tree, to folders on disk
	collect(t, root, folders)
	for _, overlay := range overlays(database, broker) {
		collect(t, filepath.Join(root, "variant", overlay), folders)
	}
	code, tests := make(map[string]bool), make(map[string]bool)
	for folder, dir := range folders {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			switch isTest := strings.HasSuffix(file, "_test.go"); {
			case isTest && strings.HasPrefix(folder, "internal/gen"): // not emitted
			case isTest:
				addImports(t, file, tests)
			default:
				addImports(t, file, code)
			}
		}
	}
	return imports{code: slices.Sorted(maps.Keys(code)), tests: slices.Sorted(maps.Keys(tests))}
}

func overlays(database, broker string) []string {
	var names []string
	if database != "sqlite" {
		names = append(names, database)
	}
	if broker != "memory" {
		names = append(names, broker)
	}
	return names
}

// collect adds the folders below root, in the place of those of the same name. Conformance suites are not emitted.
func collect(t *testing.T, root string, folders map[string]string) {
	t.Helper()
	notEmitted := []string{"variant", "internal/gen/store/storetest", "internal/gen/broker/brokertest"}
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		folder, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		if slices.Contains(notEmitted, folder) || path.Base(folder) == "testdata" {
			return filepath.SkipDir
		}
		if sources, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(sources) == 0 {
			return err
		}
		folders[folder] = dir
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func addImports(t *testing.T, file string, into map[string]bool) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(importPath, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(importPath, referencePath) {
			into[importPath] = true
		}
	}
}
