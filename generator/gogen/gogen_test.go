package gogen

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// TestLinearEqualsStock is to be looked at on every upgrade of protobuf: the spliced descriptor must be what
// protoc-gen-go itself would have written.
func TestLinearEqualsStock(t *testing.T) {
	for name, files := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			plugin := wholePlugin(t, files)
			for _, f := range plugin.Files {
				if f.Generate {
					internal_gengo.GenerateFile(plugin, f)
				}
			}
			resp := plugin.Response()
			if resp.Error != nil {
				t.Fatal(resp.GetError())
			}
			prefixes, err := outputPrefixes(files, testModule)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, chunkSize} {
				got, err := generate(files, prefixes, mode{linear: true, chunk: size})
				if err != nil {
					t.Fatal(err)
				}
				byPath := make(map[string][]byte)
				for _, f := range got {
					byPath[f.Path] = f.Content
				}
				for _, f := range resp.File {
					if !bytes.Equal(byPath[f.GetName()], []byte(f.GetContent())) {
						t.Errorf("%s, %d loaded at once, differs from protoc-gen-go's", f.GetName(), size)
					}
				}
			}
		})
	}
}

// wholePlugin is protogen's view of all files at once, as a plugin of protoc has it.
func wholePlugin(t *testing.T, files []ir.ProtoFile) *protogen.Plugin {
	t.Helper()
	prefixes, err := outputPrefixes(files, testModule)
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := newPlugin(files, prefixes)
	if err != nil {
		t.Fatal(err)
	}
	return plugin
}

func TestGenerateTwiceGivesTheSameBytes(t *testing.T) {
	for name, files := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			before := make([]ir.Descriptor, len(files))
			for i, f := range files {
				before[i] = slices.Clone(f.Descriptor)
			}
			first, err := Begin(files, testModule, fileset.Made{})()
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range files {
				if !bytes.Equal(before[i], f.Descriptor) {
					t.Errorf("the descriptor of %s was changed", f.Path)
				}
			}
			second, err := Begin(files, testModule, fileset.Made{})()
			if err != nil {
				t.Fatal(err)
			}
			if len(first) != len(second) {
				t.Fatalf("%d files, then %d", len(first), len(second))
			}
			for i := range first {
				if first[i].Path != second[i].Path || !bytes.Equal(first[i].Content, second[i].Content) {
					t.Errorf("%s changed between two runs", first[i].Path)
				}
			}
		})
	}
}
