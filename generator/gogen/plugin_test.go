package gogen

import (
	"go/build"
	"io"
	"path"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

func TestSourceName(t *testing.T) {
	for in, want := range map[string]string{
		"orders":           "orders",
		"Orders2":          "Orders2",
		"a.b":              "a.b",
		"with-dash":        "with-dash",
		"with space":       "with_space",
		"größe":            "gr__e",
		"_hidden":          "proto_hidden",
		".hidden":          "proto.hidden",
		"-flag":            "proto-flag",
		"windows":          "windows", // only after an underscore
		"clock_windows":    "clock_windows_proto",
		"clock_windows.v1": "clock_windows_proto.v1",
		"x_linux_arm64":    "x_linux_arm64_proto",
		"x_linux_test":     "x_linux_test_proto",
		"unit_test":        "unit_test",
		`evil"name`:        "evil_name",
	} {
		if got := sourceName(in); got != want {
			t.Errorf("sourceName(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestEverySourceIsBuilt asks the go command's own rules about each generated file.
func TestEverySourceIsBuilt(t *testing.T) {
	out, err := Begin(corpus(t)["files"], testModule, fileset.Made{})()
	if err != nil {
		t.Fatal(err)
	}
	lower := make(map[string]bool)
	for _, f := range out {
		for _, goos := range []string{"linux", "windows", "js"} {
			platform := build.Default
			platform.GOOS = goos
			platform.OpenFile = func(string) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(string(f.Content))), nil
			}
			if match, err := platform.MatchFile("", path.Base(f.Path)); err != nil || !match {
				t.Errorf("%s is not built on %s: %v", f.Path, goos, err)
			}
		}
		if key := strings.ToLower(f.Path); lower[key] {
			t.Errorf("%s clashes with another file", f.Path)
		} else {
			lower[key] = true
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	file := func(path, importPath string) ir.ProtoFile {
		syntax := "proto3"
		f, err := ir.NewProtoFile(&descriptorpb.FileDescriptorProto{Name: &path, Syntax: &syntax}, ir.GoPackage{ImportPath: importPath, Name: "p"}, true)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, c := range map[string]struct {
		files []ir.ProtoFile
		want  string
	}{
		"foreign package": {[]ir.ProtoFile{file("a.proto", "example.test/mother/gen")}, "outside module example.test/m"},
		"listed twice":    {[]ir.ProtoFile{file("a.proto", testModule+"/gen"), file("a.proto", testModule+"/gen")}, "a.proto: the file is listed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Begin(c.files, testModule, fileset.Made{})()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	t.Run("nothing to do", func(t *testing.T) {
		if out, err := Begin(nil, testModule, fileset.Made{})(); err != nil || len(out) != 0 {
			t.Errorf("%v, %v", out, err)
		}
	})
}

// TestUnknownFormOfDescriptor proves that a constant in another form than expected is noticed, not passed over.
func TestUnknownFormOfDescriptor(t *testing.T) {
	s := &splice{stub: constant("x_rawDesc", nil), full: constant("x_rawDesc", []byte("real"))}
	for _, source := range []string{
		"package p\n\nconst x_rawDesc = `` + ``\n",
		"package p\n" + string(s.stub) + string(s.stub),
	} {
		if _, err := s.apply([]byte(source)); err == nil {
			t.Errorf("spliced %q", source)
		}
	}
	got, err := s.apply([]byte("package p\n" + string(s.stub)))
	if want := "package p\n\nconst x_rawDesc = \"\" +\n\t\"real\"\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
