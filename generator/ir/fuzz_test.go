package ir_test

import (
	"context"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/mod/module"
	"golang.org/x/tools/txtar"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/schema"
)

// FuzzResolve makes services of arbitrary protos: whatever is accepted has names and paths that Go takes.
func FuzzResolve(f *testing.F) {
	cases, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range cases {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".proto") {
				f.Add(file.Name, file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, name string, src []byte) {
		s, err := schema.Compile(context.Background(), schema.Input{
			Files: []schema.Entry{{Path: name}},
			Roots: []schema.Root{{Dir: "root", FS: fstest.MapFS{name: {Data: src}}}},
		})
		if err != nil {
			return
		}
		m, err := ir.Infer(s, ir.Choices{})
		if err != nil {
			return
		}
		svc, list := ir.Resolve(m, s, ir.Names{}, nil)
		if svc == nil {
			if list.Err() == nil {
				t.Fatal("no service and no error")
			}
			return
		}
		check(t, svc)
	})
}

func check(t *testing.T, svc *ir.Service) {
	t.Helper()
	identifier := func(s string) {
		if !token.IsIdentifier(s) || len(s) > 500 {
			t.Errorf("%q is no Go identifier", s)
		}
	}
	files := make(map[string]bool)
	file := func(s string) {
		if !filepath.IsLocal(s) || diag.Escape(s) != s || len(filepath.Base(s)) > 250 || files[strings.ToLower(s)] {
			t.Errorf("%q is no file name, or one given twice", s)
		}
		files[strings.ToLower(s)] = true
	}
	identifier(svc.Package)
	for _, p := range svc.Protos {
		identifier(p.Go.Name)
		if err := module.CheckImportPath(p.Go.ImportPath); err != nil {
			t.Error(err)
		}
	}
	types := make(map[string]bool)
	for _, s := range svc.RPC {
		identifier(s.Type)
		identifier(s.Import.Alias)
		if types[s.Type] {
			t.Errorf("two services have the type %s", s.Type)
		}
		types[s.Type] = true
		file(s.File)
		for _, m := range s.Methods {
			identifier(m.GoName)
			identifier(m.Input.Name)
			identifier(m.Output.Import.Alias)
			file(m.File)
			file(m.TestFile)
		}
	}
	for _, src := range svc.Sources {
		if !filepath.IsLocal(src.Path) {
			t.Errorf("source %q leaves the tree", src.Path)
		}
	}
}
