package ir_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/ir"
)

// TestReservedImports proves that no import can be called like something its package declares: it stands in one file, and
// the declaration, in another, would be declared twice.
func TestReservedImports(t *testing.T) {
	reserved := ir.ReservedImports()
	found := 0
	for _, pattern := range []string{"internal/gen/app/*.go", "internal/gen/events/*.go", "internal/sample/*.go", "cmd/sample/*.go"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "templates", "service", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.Contains(pattern, "/gen/") && strings.HasSuffix(name, "_test.go") {
				continue // not emitted
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, declared := range declarations(file) {
				if declared != strings.ToLower(declared) || declared == "_" || declared == "init" {
					continue
				}
				if found++; !slices.Contains(reserved, declared) {
					t.Errorf("%s declares %s, which reservedImports lacks", name, declared)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no declaration was found")
	}
}

// declarations are the names a file declares in its package.
func declarations(file *ast.File) []string {
	var names []string
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
