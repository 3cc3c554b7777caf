// Package gogen turns the proto files of a service into Go: messages (.pb.go) through protoc-gen-go's own
// generator, run in this process, and gRPC stubs (_grpc.pb.go) through a fragment whose exported API is the one
// of protoc-gen-go-grpc. Files and their Go packages go in, formatted sources go out. It resolves no name and
// no import path (ir did), reads no proto text, starts no process and writes nothing.
package gogen

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"

	"github.com/svcgen/svcgen/generator/ir"
)

// File is one generated source. Path is slash-separated and relative to the root of the emitted module.
type File struct {
	Path    string
	Content []byte
}

// Generate returns the Go sources of every file that is to be generated, sorted by path. The files are the
// closure of the served protos in dependency order; module is the Go module path of the emitted tree.
// The same input gives the same bytes, and the descriptors are not changed.
func Generate(files []ir.ProtoFile, module string) ([]File, error) {
	if !slices.ContainsFunc(files, func(f ir.ProtoFile) bool { return f.Generate }) {
		return nil, nil
	}
	out, err := generate(files, module, linear)
	if errors.Is(err, errNoMarker) {
		// A newer protoc-gen-go prints its descriptor in another form: be slow rather than wrong.
		out, err = generate(files, module, stock)
	}
	return out, err
}

// descriptorMode says how the raw descriptor gets into a .pb.go file.
type descriptorMode int

const (
	stock  descriptorMode = iota // printed and formatted by protoc-gen-go
	linear                       // spliced in after formatting, see descriptor.go
)

func generate(files []ir.ProtoFile, module string, mode descriptorMode) ([]File, error) {
	plugin, err := newPlugin(files, module)
	if err != nil {
		return nil, err
	}
	stubs, err := newStubPrinter()
	if err != nil {
		return nil, err
	}
	var targets []*protogen.File
	for _, f := range plugin.Files {
		if f.Generate {
			targets = append(targets, f)
		}
	}
	full := make([]*descriptorpb.FileDescriptorProto, len(targets))
	if mode == linear {
		// Before any file is generated: a public import makes one file's generator read another's descriptor.
		for i, f := range targets {
			full[i], f.Proto = f.Proto, stubDescriptor(f.Proto)
		}
	}

	// Messages and stubs of one file are formatted apart, so that also a single big file keeps two cores busy.
	done := make([][]File, 2*len(targets))
	var group errgroup.Group
	group.SetLimit(workers(targets))
	for i, f := range targets {
		group.Go(func() (err error) {
			done[2*i], err = messages(plugin, f, full[i])
			return generating(f, err)
		})
		group.Go(func() (err error) {
			done[2*i+1], err = stubs.print(plugin, f)
			return generating(f, err)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := slices.Concat(done...)
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// workers is 1 when a file has the hybrid API, for which protoc-gen-go changes the messages it has printed,
// also those of a publicly imported file: there the order counts, and it must be protoc-gen-go's own.
func workers(targets []*protogen.File) int {
	for _, f := range targets {
		if f.APILevel == gofeaturespb.GoFeatures_API_HYBRID {
			return 1
		}
	}
	return runtime.GOMAXPROCS(0)
}

// messages returns the .pb.go files of f. full is its descriptor when f carries the stub of one.
func messages(plugin *protogen.Plugin, f *protogen.File, full *descriptorpb.FileDescriptorProto) ([]File, error) {
	own := *plugin // for a list of generated files and a first error of its own
	internal_gengo.GenerateFile(&own, f)
	files, err := formatted(&own)
	if err != nil || full == nil {
		return files, err
	}
	splice, err := newSplice(f, full)
	if err != nil {
		return nil, err
	}
	for i := range files {
		if files[i].Content, err = splice.apply(files[i].Content); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// formatted returns what was generated with plugin, with imports and after gofmt.
func formatted(plugin *protogen.Plugin) ([]File, error) {
	resp := plugin.Response()
	if resp.Error != nil {
		message, _, _ := strings.Cut(resp.GetError(), "\n") // the source follows
		return nil, errors.New(message)
	}
	files := make([]File, len(resp.File))
	for i, f := range resp.File {
		files[i] = File{Path: f.GetName(), Content: []byte(f.GetContent())}
	}
	return files, nil
}

func generating(f *protogen.File, err error) error {
	if err != nil {
		return fmt.Errorf("generate Go code of %s: %w", f.Desc.Path(), err)
	}
	return nil
}
