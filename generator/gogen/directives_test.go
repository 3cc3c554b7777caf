package gogen

import (
	"go/ast"
	"go/build/constraint"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

func TestCheckDirectives(t *testing.T) {
	const file = "gen/acme/v1/acme.pb.go"
	for name, c := range map[string]struct {
		file string
		src  string
		want string // of the error; empty: none
	}{
		"prose":                {src: "// Package p: a line, an export, go:embed in prose; http://x.test.\npackage p\n"},
		"link without a space": {src: "package p\n\n//https://x.test/a\n"},
		"in a string":          {src: "package p\n\nconst s = \"//go:embed x\"\n"},
		"in a raw string":      {src: "package p\n\nconst s = `\n//go:embed x\n`\n"},
		"C in a string":        {src: "package p\n\nimport \"fmt\"\n\nconst s = \"C\"\n"},
		"hybrid API":           {src: "//go:build !protoopaque\n\npackage p\n"},
		"migrations":           {file: "migrations/migrations.go", src: "package migrations\n\n//go:embed *.sql\n"},

		"build constraint":   {src: "//go:build ignore\n\npackage p\n", want: file + `:1:1: directive "//go:build ignore" in generated code`},
		"old constraint":     {src: "// +build ignore\n\npackage p\n", want: `1:1: directive "// +build ignore"`},
		"tight constraint":   {src: "//+build ignore\n\npackage p\n", want: `directive "//+build ignore"`},
		"embed":              {src: "package p\n\n// Doc.\n//\n//go:embed x\nvar s string\n", want: "5:1: directive"},
		"generate":           {src: "package p\n\n//go:generate rm -rf .\n", want: "3:1: directive"},
		"linkname, indented": {src: "package p\n\nfunc f() {\n\t//go:linkname x y\n}\n", want: "4:2: directive"},
		"line":               {src: "package p\n\n//line /etc/passwd:1\n", want: ":3:1: directive"},
		"line in a block":    {src: "package p\n\nvar x = /*line a.go:7:8*/ 1\n", want: ":3:9: directive"},
		"after a line":       {src: "package p\n\n//line a.go:7\n//go:embed x\n", want: ":3:1: directive"},
		"export":             {src: "package p\n\n//export f\nfunc f() {}\n", want: "directive"},
		"a linter's":         {src: "package p\n\n//nolint:all\n", want: "directive"},
		"cgo":                {src: "package p\n\n// #include <stdlib.h>\nimport (\n\t_ \"C\"\n)\n", want: `5:4: import "C"`},
		"carriage return":    {src: "package p\n\n// a\rgo:embed x\n", want: "3:5: carriage return"},
		"of another file":    {src: "package p\n\n//go:embed *.sql\n", want: "directive"},
		"out of its folder":  {file: "internal/gen/x.pb.go", src: "//go:build protoopaque\n\npackage p\n", want: "directive"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.file == "" {
				c.file = file
			}
			err := CheckDirectives(c.file, []byte(c.src))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestGeneratedCodeHasNoDirectives(t *testing.T) {
	for name, files := range corpus(t) {
		out, err := Begin(files, testModule, fileset.Made{})()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range out {
			if err := CheckDirectives(f.Path, f.Content); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// FuzzCheckDirectives looks for a comment that the checker lets through and the standard library calls a directive.
func FuzzCheckDirectives(f *testing.F) {
	for _, seed := range []string{"go:embed x", " +build ignore", "line x:1", "export f", " prose", "a:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		comment := "//" + text
		if strings.ContainsAny(text, "\n\r") || CheckDirectives("gen/x.pb.go", []byte("package p\n\n"+comment+"\nvar x string\n")) != nil {
			return
		}
		group := ast.CommentGroup{List: []*ast.Comment{{Text: comment}}}
		if strings.TrimSpace(text) != "" && group.Text() == "" {
			t.Errorf("go/ast takes %q for a directive", comment)
		}
		if !strings.HasSuffix(comment, "protoopaque") && (constraint.IsGoBuild(comment) || constraint.IsPlusBuild(comment)) {
			t.Errorf("go/build takes %q for a constraint", comment)
		}
	})
}
