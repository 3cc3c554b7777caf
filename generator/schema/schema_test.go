package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
)

// files is a root in memory.
func files(content map[string]string) Root {
	fsys := fstest.MapFS{}
	for name, text := range content {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Root{Dir: "root", FS: fsys}
}

func compile(t *testing.T, in Input) (*Schema, string) {
	t.Helper()
	s, err := Compile(context.Background(), in)
	if err == nil {
		return s, ""
	}
	var b strings.Builder
	if err := (diag.Printer{}).Print(&b, err); err != nil {
		t.Fatal(err)
	}
	return nil, b.String()
}

func entries(names ...string) []Entry {
	var list []Entry
	for _, name := range names {
		list = append(list, Entry{Path: name, Pos: diag.Pos{File: "svcgen.yaml", Line: 1, Col: 1}})
	}
	return list
}

func TestOrder(t *testing.T) {
	s, errs := compile(t, Input{
		Files: entries("a.proto", "c.proto"),
		Roots: []Root{files(map[string]string{
			"a.proto": `syntax = "proto3"; import "c.proto"; import "b.proto"; import "google/protobuf/any.proto"; message A { B b = 1; C c = 2; google.protobuf.Any any = 3; }`,
			"b.proto": `syntax = "proto3"; import "c.proto"; message B { C c = 1; }`,
			"c.proto": `syntax = "proto3"; message C {}`,
		})},
	})
	if errs != "" {
		t.Fatal(errs)
	}
	var got []string
	for _, f := range s.Files {
		got = append(got, fmt.Sprintf("%s %q listed %t, known %t", f.Path, f.Disk, f.Listed, f.Known != nil))
	}
	want := []string{
		`c.proto "root/c.proto" listed true, known false`,
		`b.proto "root/b.proto" listed false, known false`,
		`google/protobuf/any.proto "" listed false, known true`,
		`a.proto "root/a.proto" listed true, known false`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRootsInOrder(t *testing.T) {
	one := files(map[string]string{"x.proto": `syntax = "proto3"; package one;`})
	two := files(map[string]string{"x.proto": `syntax = "proto3"; package two;`, "sub/y.proto": `syntax = "proto3"; package sub;`})
	two.Prefix = "pre/fix"
	three := files(map[string]string{"x.proto": `syntax = "proto3"; package three;`})
	s, errs := compile(t, Input{Files: entries("x.proto", "pre/fix/x.proto", "pre/fix/sub/y.proto"), Roots: []Root{one, two, three}})
	if errs != "" {
		t.Fatal(errs)
	}
	for name, pkg := range map[string]protoreflect.FullName{"x.proto": "one", "pre/fix/x.proto": "two", "pre/fix/sub/y.proto": "sub"} {
		if got := s.File(name).Desc().Package(); got != pkg {
			t.Errorf("%s is of package %s, want %s", name, got, pkg)
		}
	}
}

// TestKnown checks that every file of the table has a Go package and that none is read from a root.
func TestKnown(t *testing.T) {
	root := map[string]string{}
	var all []Entry
	main := `syntax = "proto3"; package main;` + "\n"
	for _, name := range knownPaths() {
		root[name] = `this is no proto`
		main += fmt.Sprintf("import %q;\n", name)
	}
	root["main.proto"] = main
	all = append(all, entries("main.proto")...)
	s, errs := compile(t, Input{Files: all, Roots: []Root{files(root)}})
	if errs != "" {
		t.Fatal(errs)
	}
	if len(s.Files) < 50 {
		t.Errorf("only %d files are known", len(s.Files))
	}
	for _, f := range s.Files {
		if f.Known == nil {
			continue
		}
		if f.Known.Module == "" || f.Known.Package == "" || f.Known.ImportPath != f.Known.Module && !strings.HasPrefix(f.Known.ImportPath, f.Known.Module+"/") {
			t.Errorf("%s is provided by %+v", f.Path, f.Known)
		}
	}
	for _, want := range []string{
		"google/protobuf/empty.proto", "google/api/annotations.proto", "google/rpc/error_details.proto", "buf/validate/validate.proto",
		"grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto", "opentelemetry/proto/common/v1/common.proto",
		"google/protobuf/go_features.proto", "protoc-gen-openapiv2/options/annotations.proto",
	} {
		if f := s.File(want); f == nil || f.Known == nil {
			t.Errorf("%s is not known", want)
		}
	}
}

func TestLimits(t *testing.T) {
	chain := map[string]string{}
	for i := range 80 {
		chain[fmt.Sprintf("f%d.proto", i)] = fmt.Sprintf("syntax = \"proto3\";\nimport \"f%d.proto\";\n", i+1)
	}
	chain["f80.proto"] = `syntax = "proto3";`
	for name, tt := range map[string]struct {
		root   map[string]string
		limits Limits
		want   string
	}{
		"file size":    {map[string]string{"f0.proto": `syntax = "proto3"; //` + strings.Repeat("x", DefaultFileSize)}, Limits{}, "svcgen.yaml:1:1: root/f0.proto is larger than 8388608 bytes; --max-proto-size raises the limit\n"},
		"closure":      {chain, Limits{ClosureSize: 100}, "root/f1.proto:2:8: the proto files are together larger than 100 bytes; --max-proto-size raises the limit\n    import \"f2.proto\";\n           ^\n"},
		"files":        {chain, Limits{Files: 3}, "root/f2.proto:2:8: more than 3 proto files are imported\n    import \"f3.proto\";\n           ^\n"},
		"import depth": {chain, Limits{}, "root/f63.proto:2:8: imports are nested deeper than 64 files\n    import \"f64.proto\";\n           ^\n"},
		"raised":       {chain, Limits{ImportDepth: 100}, ""},
		"nesting":      {map[string]string{"f0.proto": "syntax = \"proto3\";\n" + strings.Repeat("message M {", 70)}, Limits{}, "root/f0.proto:2:715: brackets are nested deeper than 64\n"},
		"nesting in comments and strings": {map[string]string{"f0.proto": "syntax = \"proto3\";\n//" + strings.Repeat("{", 99) + "\n/*" + strings.Repeat("(", 99) + "*/\n" +
			"option java_package = \"\\\"" + strings.Repeat("[", 99) + "\";\noption go_package = '" + strings.Repeat("<", 99) + "';\n"}, Limits{}, ""},
		"nested options": {map[string]string{"f0.proto": "syntax = \"proto3\";\noption (a) = " + strings.Repeat("{a:", 100_000)}, Limits{}, "root/f0.proto:2:206: brackets are nested deeper than 64\n"},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := compile(t, Input{Files: entries("f0.proto"), Roots: []Root{files(tt.root)}, Limits: tt.limits})
			if !strings.HasPrefix(errs, tt.want) || tt.want == "" && errs != "" {
				t.Errorf("got\n%s\nwant\n%s", errs, tt.want)
			}
		})
	}
}

// TestPos counts code points: not bytes, and not eight for a tab as protoc does.
func TestPos(t *testing.T) {
	s, errs := compile(t, Input{Files: entries("a.proto"), Roots: []Root{files(map[string]string{
		"a.proto": "syntax = \"proto3\";\npackage p;\n\t/* ü大 */\tmessage M {\n\t\tstring\tfield = 1; }\nservice S {\n rpc\tDo(M) returns (M);}\nenum E { ZERO = 0; }\n",
	})}})
	if errs != "" {
		t.Fatal(errs)
	}
	fd := s.File("a.proto").Desc()
	for d, want := range map[protoreflect.Descriptor]string{
		fd.Messages().Get(0):                  "root/a.proto:3:19",
		fd.Messages().Get(0).Fields().Get(0):  "root/a.proto:4:10",
		fd.Services().Get(0):                  "root/a.proto:5:9",
		fd.Services().Get(0).Methods().Get(0): "root/a.proto:6:6",
		fd.Enums().Get(0).Values().Get(0):     "root/a.proto:7:10",
	} {
		if got := s.Pos(d).String(); got != want {
			t.Errorf("%s is at %s, want %s", d.FullName(), got, want)
		}
	}
}

// TestMarkAndCRLF has a proto as some Windows editors write it.
func TestMarkAndCRLF(t *testing.T) {
	text := "\ufeffsyntax = \"proto3\";\r\npackage p;\r\n\r\nmessage M { %s f = 1; }\r\n"
	s, errs := compile(t, Input{Files: entries("a.proto"), Roots: []Root{files(map[string]string{"a.proto": fmt.Sprintf(text, "string")})}})
	if errs != "" {
		t.Fatal(errs)
	}
	if got, want := s.Pos(s.File("a.proto").Desc().Messages().Get(0)).String(), "root/a.proto:4:9"; got != want {
		t.Errorf("M is at %s, want %s", got, want)
	}
	_, errs = compile(t, Input{Files: entries("a.proto"), Roots: []Root{files(map[string]string{"a.proto": fmt.Sprintf(text, "Nope")})}})
	want := "root/a.proto:4:13: field p.M.f: unknown type Nope\n    message M { Nope f = 1; }\n                ^\nhint: declare it, or import the file that does\n"
	if errs != want {
		t.Errorf("got\n%s\nwant\n%s", errs, want)
	}
}

func TestWarnings(t *testing.T) {
	s, errs := compile(t, Input{Files: entries("a.proto"), Roots: []Root{files(map[string]string{
		"a.proto": "syntax = \"proto3\";\nimport \"b.proto\";\n",
		"b.proto": "syntax = \"proto3\";\nimport \"google/protobuf/any.proto\";\n",
	})}})
	if errs != "" {
		t.Fatal(errs)
	}
	if got, want := s.Warnings.Error(), `root/a.proto:2:1: warning: import "b.proto" not used`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Compile(ctx, Input{Files: entries("a.proto"), Roots: []Root{files(map[string]string{"a.proto": `syntax = "proto3";`})}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"syntax = \"proto3\";\npackage p;\nservice S { rpc Do(M) returns (stream M); }\nmessage M { map<string, M> m = 1; oneof o { int32 a = 2; } }\n",
		"edition = \"2023\";\nimport \"google/protobuf/go_features.proto\";\noption features.(pb.go).api_level = API_OPAQUE;\n",
		"syntax = \"proto2\";\nmessage M { optional group G = 1 {} extensions 5 to max; }\nextend M { repeated int32 x = 5; }\n",
		"import \"fuzz.proto\";", "import \"/dev/zero\";", "message M { reserved 1 to 99999999999; }", "option (a).b = { c: [<d: 1>] };",
		"\ufeffsyntax = 'proto3';\r\n/* */ enum E { option allow_alias = true; A = 0; B = 0; }", "\"\\", "/*", "{{{{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Compile(context.Background(), Input{
			Files: []Entry{{Path: "fuzz.proto"}},
			Roots: []Root{{Dir: "root", FS: fstest.MapFS{"fuzz.proto": {Data: src}}}},
		})
		var list diag.List
		if err != nil && !errors.As(err, &list) {
			t.Fatalf("not a list of diagnostics: %v", err)
		}
		for _, d := range list {
			if d.Pos.Line > 0 && (d.Pos.Col < 1 || d.Pos.Line > strings.Count(string(src), "\n")+1) {
				t.Errorf("%v points outside the file", d)
			}
		}
		if err == nil {
			for i := range s.File("fuzz.proto").Desc().Messages().Len() {
				s.Pos(s.File("fuzz.proto").Desc().Messages().Get(i))
			}
		}
	})
}

// TestNotText proves that a file in another encoding is one mistake, and that such bytes in a comment are none.
func TestNotText(t *testing.T) {
	root := files(map[string]string{
		"utf16.proto":   "\xff\xfes\x00y\x00n\x00t\x00a\x00x\x00",
		"nul.proto":     "syntax = \"proto3\";\nmessage \x00M {}",
		"comment.proto": "syntax = \"proto3\"; // caf\xe9\n",
	})
	for name, want := range map[string]string{
		"utf16.proto":   "root/utf16.proto:1:1: this byte is not UTF-8 text\n",
		"nul.proto":     "root/nul.proto:2:9: this byte is not UTF-8 text\n",
		"comment.proto": "",
	} {
		_, errs := compile(t, Input{Files: entries(name), Roots: []Root{root}})
		if first, _, _ := strings.Cut(errs, "\n"); strings.TrimSuffix(want, "\n") != first || strings.Count(errs, "not UTF-8") > 1 {
			t.Errorf("%s: got\n%s", name, errs)
		}
	}
}
