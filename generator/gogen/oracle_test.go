package gogen

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// TestStubsEqualPlugin runs the pinned protoc-gen-go-grpc over the corpus. The exported API of our stubs must be
// the plugin's, by go/types; and so must every byte below the header.
func TestStubsEqualPlugin(t *testing.T) {
	plugin := pinnedPlugin(t)
	known := dependencies(t)
	for name, files := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			ours, err := Begin(files, testModule, fileset.Made{})()
			if err != nil {
				t.Fatal(err)
			}
			theirs := withPluginStubs(t, plugin, files, ours)
			want, got := apis(t, known, theirs), apis(t, known, ours)
			if !maps.EqualFunc(want, got, slices.Equal) {
				t.Errorf("API differs\nplugin:\n%s\nours:\n%s", only(want, got), only(got, want))
			}
			for i := range ours {
				want, got := body(theirs[i].Content), body(ours[i].Content)
				if !bytes.Equal(want, got) {
					t.Errorf("%s differs from the plugin's below the header at %s", ours[i].Path, firstDifference(want, got))
				}
			}
		})
	}
}

// pinnedPlugin builds protoc-gen-go-grpc from tools/go.mod. Where it cannot be had the test is skipped, in CI it fails.
func pinnedPlugin(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "tool", "-n", "protoc-gen-go-grpc")
	cmd.Dir = filepath.Join("..", "..", "tools")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		message := fmt.Sprintf("NOT COMPARED with protoc-gen-go-grpc, which cannot be built here: %v\n%s", err, &stderr)
		if os.Getenv("CI") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	binary := strings.TrimSpace(string(out))
	version, err := exec.Command(binary, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(grpcVersion, "v"); !strings.HasSuffix(strings.TrimSpace(string(version)), " "+want) {
		t.Fatalf("tools/go.mod pins %s, gogen claims %s", bytes.TrimSpace(version), want)
	}
	return binary
}

// withPluginStubs returns files with the plugin's stubs in place of ours.
func withPluginStubs(t *testing.T, plugin string, protos []ir.ProtoFile, files []File) []File {
	t.Helper()
	p := wholePlugin(t, protos)
	stubs := make(map[string]string)
	for _, f := range p.Files {
		if !f.Generate || len(f.Services) == 0 {
			continue
		}
		req := proto.CloneOf(p.Request)
		req.FileToGenerate = []string{f.Desc.Path()}
		in, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(plugin)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", plugin, err)
		}
		var resp pluginpb.CodeGeneratorResponse
		if err := proto.Unmarshal(out, &resp); err != nil {
			t.Fatal(err)
		}
		if resp.Error != nil || len(resp.File) != 1 {
			t.Fatalf("%s on %s: %d files, %s", plugin, f.Desc.Path(), len(resp.File), resp.GetError())
		}
		stubs[f.GeneratedFilenamePrefix+grpcSuffix] = resp.File[0].GetContent()
	}
	theirs := slices.Clone(files)
	for i, f := range theirs {
		if content, ok := stubs[f.Path]; ok {
			theirs[i].Content = []byte(content)
			delete(stubs, f.Path)
		}
	}
	for missing := range stubs {
		t.Errorf("the plugin prints %s, gogen does not", missing)
	}
	return theirs
}

// body cuts the comments above the package clause off.
func body(source []byte) []byte {
	return source[bytes.Index(source, []byte("\npackage "))+1:]
}

// dependencies loads the types of everything generated code may import.
func dependencies(t *testing.T) map[string]*types.Package {
	t.Helper()
	mode := packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps | packages.NeedExportFile
	roots, err := packages.Load(&packages.Config{Mode: mode},
		"google.golang.org/grpc", "google.golang.org/genproto/googleapis/api/annotations",
		"google.golang.org/genproto/googleapis/rpc/status", "google.golang.org/protobuf/types/gofeaturespb",
		"google.golang.org/protobuf/types/known/...", "google.golang.org/protobuf/runtime/protoimpl",
		"google.golang.org/protobuf/encoding/protojson", "context", "encoding/json", "math", "reflect", "sync", "unsafe")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]*types.Package)
	packages.Visit(roots, nil, func(p *packages.Package) {
		for _, err := range p.Errors {
			t.Fatal(err)
		}
		known[p.PkgPath] = p.Types
	})
	return known
}

// apis type-checks files as one module and describes the exported API of each package, line by line.
func apis(t *testing.T, known map[string]*types.Package, files []File) map[string][]string {
	t.Helper()
	c := &checker{fset: token.NewFileSet(), known: known, source: make(map[string][]*ast.File), checked: make(map[string]*types.Package)}
	for _, f := range files {
		parsed, err := parser.ParseFile(c.fset, f.Path, f.Content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(f.Content, []byte("\n//go:build protoopaque\n")) {
			continue // the other half of the hybrid API, compiled under a build tag
		}
		importPath := path.Join(testModule, path.Dir(f.Path))
		c.source[importPath] = append(c.source[importPath], parsed)
	}
	out := make(map[string][]string)
	for importPath := range c.source {
		pkg, err := c.Import(importPath)
		if err != nil {
			t.Fatal(err)
		}
		out[importPath] = api(pkg)
	}
	return out
}

// checker imports the packages under test from source and all others from known.
type checker struct {
	fset    *token.FileSet
	known   map[string]*types.Package
	source  map[string][]*ast.File
	checked map[string]*types.Package
}

func (c *checker) Import(importPath string) (*types.Package, error) {
	if pkg := c.known[importPath]; pkg != nil {
		return pkg, nil
	}
	if pkg := c.checked[importPath]; pkg != nil {
		return pkg, nil
	}
	files := c.source[importPath]
	if files == nil {
		return nil, fmt.Errorf("package %s is neither generated nor among the dependencies of the test", importPath)
	}
	pkg, err := (&types.Config{Importer: c}).Check(importPath, c.fset, files, nil)
	c.checked[importPath] = pkg
	return pkg, err
}

// api describes every exported object, with the methods of types, also the unexported ones that embedding needs.
func api(pkg *types.Package) []string {
	var lines []string
	qualify := func(p *types.Package) string { return p.Path() }
	for _, name := range pkg.Scope().Names() {
		object := pkg.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		line := types.ObjectString(object, qualify)
		if c, ok := object.(*types.Const); ok {
			line += " = " + c.Val().ExactString()
		}
		lines = append(lines, line)
		if _, ok := object.(*types.TypeName); !ok {
			continue
		}
		methods := types.NewMethodSet(types.NewPointer(object.Type()))
		for method := range methods.Methods() {
			lines = append(lines, name+": "+types.SelectionString(method, qualify))
		}
	}
	return lines
}

// only lists the lines of a that b has not.
func only(a, b map[string][]string) string {
	var out []string
	for importPath, lines := range a {
		for _, line := range lines {
			if !slices.Contains(b[importPath], line) {
				out = append(out, importPath+": "+line)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// firstDifference names the first line at which a and b differ.
func firstDifference(a, b []byte) string {
	linesA, linesB := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(linesA), len(linesB)) {
		if linesA[i] != linesB[i] {
			return fmt.Sprintf("line %d:\n\t%s\n\t%s", i+1, linesA[i], linesB[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(linesA), len(linesB))
}
