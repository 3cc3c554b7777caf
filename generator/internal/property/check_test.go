package property

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// checker type-checks emitted trees, tests included, as the compiler would. What they import from outside is compiled
// once; packages of theirs that are the same in many trees are checked once.
type checker struct {
	export map[string]string // import path to the file with its export data
	mu     sync.Mutex
	known  map[[sha256.Size]byte]*types.Package
	deps   map[[sha256.Size]byte][]string // of the files of a folder
	fset   *token.FileSet
	gc     types.Importer
}

const module = "example.com/orders"

// newChecker compiles what every service of the test may import.
func newChecker(t *testing.T) *checker {
	t.Helper()
	dir := scratch(t)
	w := &world{Rand: randFor(1)}
	s := w.service()
	s.write(t, filepath.Join(dir, "in"))
	tree := filepath.Join(dir, "orders")
	if code, out := svcgen("new", filepath.Join(dir, "in", "svcgen.yaml"), "--out", tree); code != 0 {
		t.Fatal(out)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-test", "-json=ImportPath,Export,Standard,ForTest", "./...")
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &errs)
	}
	c := &checker{export: map[string]string{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath string `json:"ImportPath"`
			Export     string `json:"Export"`
			ForTest    string `json:"ForTest"`
		}
		err := dec.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if pkg.ForTest == "" && !strings.HasPrefix(pkg.ImportPath, module) {
			c.export[pkg.ImportPath] = pkg.Export
		}
	}
	c.forget()
	return c
}

// forget drops what was checked, so that hours of it fit into memory.
func (c *checker) forget() {
	c.known, c.deps, c.fset = map[[sha256.Size]byte]*types.Package{}, map[[sha256.Size]byte][]string{}, token.NewFileSet()
	c.gc = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) {
		name, ok := c.export[path]
		if !ok {
			return nil, fmt.Errorf("%s is not among the dependencies", path)
		}
		return os.Open(name)
	})
}

// check type-checks the tree.
func (c *checker) check(tree string) error {
	c.mu.Lock() // an importer is for one at a time
	defer c.mu.Unlock()
	r := &resolver{checker: c, tree: tree, packages: map[string]*found{}}
	for _, dir := range []string{"cmd/orders", "internal/orders", "internal/gen/app/apptest", "internal/gen/testkit"} {
		if _, err := r.load(module+"/"+dir, dir == "cmd/orders" || dir == "internal/orders"); err != nil {
			return err
		}
	}
	return nil
}

// resolver imports for one tree.
type resolver struct {
	*checker
	tree     string
	packages map[string]*found
}

type found struct {
	pkg *types.Package
	key [sha256.Size]byte
}

func (r *resolver) Import(path string) (*types.Package, error) {
	if !strings.HasPrefix(path, module+"/") {
		return r.gc.Import(path)
	}
	f, err := r.load(path, false)
	if err != nil {
		return nil, err
	}
	return f.pkg, nil
}

// load checks a package of the tree, and what it imports before. Its key is the hash of all of that.
func (r *resolver) load(path string, tests bool) (*found, error) {
	if f := r.packages[path]; f != nil && !tests {
		return f, nil
	}
	dir := filepath.Join(r.tree, filepath.FromSlash(strings.TrimPrefix(path, module+"/")))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, path, tests) // a hash takes everything
	var names []string
	var texts [][]byte
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") && !tests {
			continue
		}
		if ok, err := build.Default.MatchFile(dir, e.Name()); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", e.Name(), len(text), text)
		names, texts = append(names, e.Name()), append(texts, text)
	}
	content := [sha256.Size]byte(hash.Sum(nil))
	deps, seen := r.deps[content]
	if !seen {
		if deps, err = r.imports(names, texts); err != nil {
			return nil, err
		}
		r.deps[content] = deps
	}
	for _, dep := range deps {
		if dep == path {
			continue
		}
		d, err := r.load(dep, false)
		if err != nil {
			return nil, err
		}
		hash.Write(d.key[:])
	}
	result := &found{}
	hash.Sum(result.key[:0])
	if result.pkg = r.known[result.key]; result.pkg == nil {
		var files []*ast.File
		for i, name := range names {
			f, err := parser.ParseFile(r.fset, filepath.Join(filepath.Base(dir), name), texts[i], parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		var first error
		config := types.Config{Importer: r, Error: func(err error) {
			if first == nil {
				first = err
			}
		}}
		pkg, err := config.Check(path, r.fset, files, nil)
		if first != nil || err != nil {
			return nil, errors.Join(first, err)
		}
		result.pkg = pkg
		r.known[result.key] = pkg
	}
	if !tests {
		r.packages[path] = result
	}
	return result, nil
}

// imports are the packages of the tree that files import.
func (r *resolver) imports(names []string, texts [][]byte) ([]string, error) {
	var deps []string
	for i, text := range texts {
		f, err := parser.ParseFile(token.NewFileSet(), names[i], text, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, spec := range f.Imports {
			if dep := strings.Trim(spec.Path.Value, `"`); strings.HasPrefix(dep, module+"/") {
				deps = append(deps, dep)
			}
		}
	}
	return deps, nil
}
