package schema

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/descriptor"
)

// What was compiled before is the same as what is compiled now, whatever a proto may hold.
func TestCompiled(t *testing.T) {
	roots, err := filepath.Glob(filepath.FromSlash("../gogen/testdata/corpus/*"))
	if err != nil || len(roots) == 0 {
		t.Fatalf("%d roots, %v", len(roots), err)
	}
	for _, dir := range roots {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			in := Input{Roots: []Root{{Dir: dir, FS: os.DirFS(dir)}}}
			err := fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
				if strings.HasSuffix(name, ".proto") {
					in.Files = append(in.Files, entries(name)...)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			first, errs := compile(t, in)
			if errs != "" {
				t.Fatal(errs)
			}
			first.Warnings = nil // here the texts stay what they are
			in.Compiled = first.Compiled()
			again, errs := compile(t, in)
			if errs != "" {
				t.Fatal(errs)
			}
			if len(first.Files) != len(again.Files) {
				t.Fatalf("%d files, want %d", len(again.Files), len(first.Files))
			}
			for i, f := range first.Files {
				g := again.Files[i]
				if g.Path != f.Path || g.Kept != (f.Known == nil) {
					t.Errorf("%s, kept: %t; want %s", g.Path, g.Kept, f.Path)
				}
				if !bytes.Equal(f.Raw, g.Raw) || !proto.Equal(plain(t, f), plain(t, g)) {
					t.Errorf("%s is not the same", f.Path)
				}
				if want := declarations(t, f); !proto.Equal(declarations(t, g), want) {
					t.Errorf("%s declares something else", f.Path)
				}
				for j := range f.Desc().Services().Len() {
					if was, is := first.Pos(f.Desc().Services().Get(j)), again.Pos(g.Desc().Services().Get(j)); was != is {
						t.Errorf("%v, want %v", is, was)
					}
				}
			}
		})
	}
}

// declarations are what is known of the file without the fields of its messages.
func declarations(t *testing.T, f *File) *descriptorpb.FileDescriptorProto {
	t.Helper()
	raw, err := serialize(protodesc.ToFileDescriptorProto(f.Names))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = descriptor.Declarations(raw); err != nil {
		t.Fatal(err)
	}
	fd := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: &protoregistry.Types{}}).Unmarshal(raw, fd); err != nil {
		t.Fatal(err)
	}
	fd.SourceCodeInfo = nil // a run that finds nothing wrong does not ask for all of it
	return fd
}

// plain is what the file's linked descriptor says. Options that a user defined are bytes in it, as they are to everyone here.
func plain(t *testing.T, f *File) *descriptorpb.FileDescriptorProto {
	t.Helper()
	raw, err := serialize(protodesc.ToFileDescriptorProto(f.Desc()))
	if err != nil {
		t.Fatal(err)
	}
	fd := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: &protoregistry.Types{}}).Unmarshal(raw, fd); err != nil {
		t.Fatal(err)
	}
	return fd
}

// What cannot be linked any more is told when all of a file is wanted, by whoever wants it.
func TestCompiledInHalf(t *testing.T) {
	content := map[string]string{
		"a.proto": "syntax = \"proto3\"; package p; message A { Here b = 1; } message Here {}",
		"b.proto": "syntax = \"proto3\"; package p; import \"a.proto\"; message B { A a = 1; } service S { rpc Do(A) returns (B); }",
	}
	in := Input{Files: entries("a.proto", "b.proto"), Roots: []Root{files(content)}}
	first, errs := compile(t, in)
	if errs != "" {
		t.Fatal(errs)
	}
	in.Compiled = bytes.Replace(first.Compiled(), []byte(".p.Here"), []byte(".p.Gone"), 1)
	s, err := Compile(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	b := s.File("b.proto")
	if got := b.Names.Services().Get(0).Methods().Get(0).Input().FullName(); got != "p.A" || b.Names.Messages().Get(0).Fields().Len() != 0 || s.Err() != nil {
		t.Errorf("it takes %s, has %d fields, %v", got, b.Names.Messages().Get(0).Fields().Len(), s.Err())
	}
	if b.Desc() != b.Names || s.Err() == nil || !strings.HasPrefix(s.Err().Error(), "link a.proto ") {
		t.Errorf("the error is %v", s.Err())
	}
	content["b.proto"] += " message More { A a = 1; }"
	in.Roots = []Root{files(content)}
	if s, errs := compile(t, in); errs != "" || s.File("b.proto").Desc().Messages().Len() != 2 || s.File("a.proto").Desc().Messages().Get(0).Fields().Len() != 1 {
		t.Errorf("with another file it is not compiled again: %s", errs)
	}
}

// What a file imports is linked with it, whichever is asked for first.
func TestDescOfImporterFirst(t *testing.T) {
	in := Input{Files: entries("a.proto", "b.proto"), Roots: []Root{files(map[string]string{
		"a.proto": "syntax = \"proto3\"; package p; message A { string s = 1; }",
		"b.proto": "syntax = \"proto3\"; package p; import \"a.proto\"; message B { A a = 1; }",
	})}}
	first, errs := compile(t, in)
	if errs != "" {
		t.Fatal(errs)
	}
	in.Compiled = first.Compiled()
	s, errs := compile(t, in)
	if errs != "" {
		t.Fatal(errs)
	}
	a := s.File("b.proto").Desc().Messages().Get(0).Fields().ByName("a")
	if s.Err() != nil || a == nil || a.Message() != s.File("a.proto").Desc().Messages().Get(0) || a.Message().Fields().Len() != 1 {
		t.Errorf("the field is %v: %v", a, s.Err())
	}
}

// A file is compiled again when its text is another, and when that of anything it imports is.
func TestCompiledAgain(t *testing.T) {
	before := map[string]string{
		"a.proto": "syntax = \"proto3\"; package p; message A {}",
		"b.proto": "syntax = \"proto3\"; package p; import \"a.proto\"; message B { A a = 1; }",
		"c.proto": "syntax = \"proto3\"; package p; import \"b.proto\"; message C { B b = 1; }",
		"d.proto": "syntax = \"proto3\"; package p; import \"google/protobuf/empty.proto\"; message D { google.protobuf.Empty e = 1; }",
	}
	for name, tt := range map[string]struct {
		change map[string]string
		spoil  func([]byte) []byte
		kept   string
		errs   string
	}{
		"nothing":                  {kept: "a.proto b.proto c.proto d.proto"},
		"one that imports":         {change: map[string]string{"c.proto": before["c.proto"] + "\nmessage More { A2 a = 1; } message A2 {}"}, kept: "a.proto b.proto d.proto"},
		"one in the middle":        {change: map[string]string{"b.proto": before["b.proto"] + " "}, kept: "a.proto d.proto"},
		"one that is imported":     {change: map[string]string{"a.proto": "syntax = \"proto3\"; package p; enum A { NONE = 0; }"}, kept: "d.proto"},
		"a mistake":                {change: map[string]string{"c.proto": "syntax = \"proto3\"; package p; import \"b.proto\"; message C { X b = 1; }"}, errs: "root/c.proto:1:61: field p.C.b: unknown type X"},
		"a name twice":             {change: map[string]string{"d.proto": "syntax = \"proto3\"; package p; message A {}"}, errs: `symbol "p.A" already defined`},
		"what cannot be read":      {spoil: func(b []byte) []byte { return b[:len(b)-1] }},
		"what is no descriptor":    {spoil: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("proto3"), []byte("proto9")) }},
		"a list of another length": {change: map[string]string{"e.proto": "syntax = \"proto3\"; package p; import public \"b.proto\"; message E { B b = 1; }"}, kept: "a.proto b.proto c.proto d.proto"},
	} {
		t.Run(name, func(t *testing.T) {
			in := func(content map[string]string, compiled []byte) Input {
				return Input{Files: entries(slices.Sorted(maps.Keys(content))...), Roots: []Root{files(content)}, Compiled: compiled}
			}
			first, errs := compile(t, in(before, nil))
			if errs != "" {
				t.Fatal(errs)
			}
			compiled := first.Compiled()
			if tt.spoil != nil {
				compiled = tt.spoil(compiled)
			}
			now := maps.Clone(before)
			maps.Copy(now, tt.change)
			s, errs := compile(t, in(now, compiled))
			if !strings.Contains(errs, tt.errs) || (errs == "") != (tt.errs == "") {
				t.Fatalf("got %q, want %q", errs, tt.errs)
			}
			if errs != "" {
				return
			}
			var kept []string
			for _, f := range s.Files {
				if f.Kept {
					kept = append(kept, f.Path)
				}
			}
			if got := strings.Join(kept, " "); tt.spoil == nil && got != tt.kept {
				t.Errorf("kept %q, want %q", got, tt.kept)
			}
			fresh, errs := compile(t, in(now, nil))
			if errs != "" {
				t.Fatal(errs)
			}
			for i, f := range fresh.Files {
				if !bytes.Equal(f.Raw, s.Files[i].Raw) {
					t.Errorf("%s is not the same", f.Path)
				}
			}
		})
	}
}
