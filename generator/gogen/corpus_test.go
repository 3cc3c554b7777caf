package gogen

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	_ "google.golang.org/genproto/googleapis/api/annotations" // descriptors that the corpus imports
	_ "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/gofeaturespb"

	"github.com/svcgen/svcgen/generator/ir"
)

const testModule = "example.test/m"

// corpus returns the cases by name: each is one import root, whose protos are one closure. Besides the folders
// under testdata/corpus there are the protos of the reference service and of the examples.
func corpus(t testing.TB) map[string][]ir.ProtoFile {
	t.Helper()
	cases := make(map[string][]ir.ProtoFile)
	for _, pattern := range []string{"testdata/corpus/*", "../../templates/service", "../../examples/*"} {
		roots, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, root := range roots {
			if !isDir(root) { // a README
				continue
			}
			name := filepath.Base(root)
			if sub := filepath.Join(root, "proto"); isDir(sub) {
				root = sub
			}
			if files := compileFS(t, os.DirFS(root)); len(files) > 0 {
				cases[name] = files
			}
		}
	}
	return cases
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// compileFS compiles every proto in fsys.
func compileFS(t testing.TB, fsys fs.FS) []ir.ProtoFile {
	t.Helper()
	var names []string
	err := fs.WalkDir(fsys, ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".proto") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	linked := protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
		return protocompile.SearchResult{Desc: fd}, err
	})
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
			&protocompile.SourceResolver{Accessor: func(name string) (io.ReadCloser, error) { return fsys.Open(name) }},
			linked,
		}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[string]bool)
	for _, name := range names {
		own[name] = true
	}
	var files []ir.ProtoFile
	seen := make(map[string]bool)
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		files = append(files, protoFile(fd, own[fd.Path()]))
	}
	for _, fd := range compiled {
		add(fd)
	}
	return files
}

// protoFile stands in for ir: a file of one's own gets the Go package of its go_package when that is in the
// module, else one for its folder.
func protoFile(fd protoreflect.FileDescriptor, own bool) ir.ProtoFile {
	var d *descriptorpb.FileDescriptorProto
	if r, ok := fd.(linker.Result); ok {
		d = proto.CloneOf(r.FileDescriptorProto())
	} else {
		d = protodesc.ToFileDescriptorProto(fd)
	}
	importPath, name, _ := strings.Cut(d.GetOptions().GetGoPackage(), ";")
	if own && !strings.HasPrefix(importPath, testModule+"/") {
		importPath, name = path.Join(testModule, "gen", path.Dir(fd.Path())), ""
	}
	if name == "" {
		name = strings.NewReplacer("-", "_", ".", "_").Replace(path.Base(importPath)) + "pb"
	}
	f, err := ir.NewProtoFile(d, ir.GoPackage{ImportPath: importPath, Name: name}, own)
	if err != nil {
		panic(err)
	}
	return f
}
