package render

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/plan"
)

func service() *ir.Service {
	return &ir.Service{Name: "orders", Module: "github.com/acme/orders", Package: "orders", Database: "sqlite", Broker: "memory"}
}

func choices() fstest.MapFS {
	return fstest.MapFS{
		"choice_sqlite.tmpl":       {Data: []byte(`{{define "db"}}a file{{end}}`)},
		"choice_memory.tmpl":       {Data: []byte(``)},
		"choice_no_consumers.tmpl": {Data: []byte(``)},
		"choice_postgres.tmpl":     {Data: []byte(`{{define "db"}}a server{{end}}`)},
	}
}

func TestFiles(t *testing.T) {
	fragments := choices()
	fragments["main.go.tmpl"] = &fstest.MapFile{Data: []byte("package main\nimport (\n{{range .Imports.Local}}{{import .}}\n{{end}})\nvar x={{quote .Name}}\n")}
	fragments["README.md.tmpl"] = &fstest.MapFile{Data: []byte("# {{.Name}}\nkept in {{template \"db\" .}}\n")}
	reference := fstest.MapFS{
		"internal/gen/a/a.go": {Data: []byte("// Package a is copied.\npackage a\n")},
		"conf.yml":            {Data: []byte("odd:   layout\n")},
	}
	data := &plan.Data{Service: service(), Imports: plan.Imports{Local: []ir.Import{{Alias: "ordersv1", Path: "github.com/acme/orders/gen/v1", Name: "ordersv1"}}}}
	set, err := Files(service(), []plan.File{
		{Path: "main.go", Owner: fileset.User, Source: plan.Fragment, From: "main.go.tmpl", Data: data},
		{Path: "README.md", Owner: fileset.Merged, Source: plan.Fragment, From: "README.md.tmpl", Data: data},
		{Path: "internal/gen/a/a.go", Owner: fileset.Svcgen, Source: plan.Copy, From: "internal/gen/a/a.go"},
		{Path: "conf.yml", Owner: fileset.Merged, Source: plan.Copy, From: "conf.yml"},
	}, Options{Reference: reference, Fragments: fragments})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"main.go":             "package main\n\nimport (\n\tordersv1 \"github.com/acme/orders/gen/v1\"\n)\n\nvar x = \"orders\"\n",
		"README.md":           "# orders\nkept in a file\n",
		"internal/gen/a/a.go": Header + "// Package a is copied.\npackage a\n",
		"conf.yml":            "odd:   layout\n",
	} {
		if f, _ := set.Get(path); string(f.Content) != want {
			t.Errorf("%s is\n%s\nwant\n%s", path, f.Content, want)
		}
	}
}

// TestFilesInBatches renders more files than go in one batch; with -race it shows what batches share.
func TestFilesInBatches(t *testing.T) {
	var files []plan.File
	for i := range 3*batch + 1 {
		name := fmt.Sprintf("%d.txt", i)
		files = append(files, plan.File{Path: name, Owner: fileset.User, Source: plan.Given, Content: []byte(name)})
	}
	set, err := Files(service(), files, Options{Fragments: choices()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if got, _ := set.Get(f.Path); string(got.Content) != f.Path {
			t.Errorf("%s is %q", f.Path, got.Content)
		}
	}
}

func TestFilesErrors(t *testing.T) {
	tests := []struct{ name, fragment, want string }{
		{"a field that does not exist", "package p\n// {{.Nonsense}}\n", "Nonsense"},
		{"Go that does not parse", "package p\nfunc {\n", "format: 2:6"},
		{"text of an input that became a directive", "package p\n\n//go:generate rm -rf /\n", "go:generate"},
		{"a template that is not there", `{{template "nowhere" .}}`, "nowhere"},
		{"the clock", "package p\n// {{now}}\n", `function "now" not defined`},
		{"the environment", "package p\n// {{env \"HOME\"}}\n", `function "env" not defined`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fragments := choices()
			fragments["x.go.tmpl"] = &fstest.MapFile{Data: []byte(tt.fragment)}
			file := plan.File{Path: "x.go", Owner: fileset.User, Source: plan.Fragment, From: "x.go.tmpl", Data: &plan.Data{Service: service()}}
			_, err := Files(service(), []plan.File{file}, Options{Fragments: fragments})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one about %q", err, tt.want)
			}
		})
	}
}
