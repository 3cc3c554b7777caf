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
	"sync"

	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/parallel"
)

// File is one generated source. Path is slash-separated and relative to the root of the emitted module.
type File struct {
	Path    string
	Content []byte
	Packed  fileset.Packed // instead of Content, behind the first packAfter bytes
	Kept    *fileset.Kept  // instead of Content, of one that was made before or is being made
	Key     string         // of what it was made from
}

// packAfter is how many bytes of sources are kept as they are: those of some two thousand methods.
const packAfter = 16 << 20

// Begin returns what to get the Go sources from of every file that is to be generated, sorted by path. The files are the
// closure of the served protos in dependency order; module is the Go module path of the emitted tree.
// The same input gives the same bytes, whatever was made before, and the descriptors are not changed.
// Where most was made before, the rest is begun with at once, also if it is not known yet whether the files are good for anything, and
// is Kept without a hash: an error is what reading it returns. Else it is made, and whatever is wrong told, when the sources are asked for.
func Begin(files []ir.ProtoFile, module string, made fileset.Made) func() ([]File, error) {
	if !slices.ContainsFunc(files, func(f ir.ProtoFile) bool { return f.Generate }) {
		return func() ([]File, error) { return nil, nil }
	}
	prefixes, err := outputPrefixes(files, module)
	if err != nil {
		return func() ([]File, error) { return nil, err }
	}
	out, left, keys := remembered(files, prefixes, made)
	skip := make(map[string]bool, len(out))
	for _, f := range out {
		skip[f.Path] = true
	}
	rest := func() ([]File, error) {
		done, err := generate(left, prefixes, mode{linear: true, chunk: chunkSize, skip: skip, before: made})
		if errors.Is(err, errNoMarker) {
			// A newer protoc-gen-go or go/printer has another form for what is looked for: be slow rather than wrong.
			done, err = generate(left, prefixes, mode{chunk: chunkSize, skip: skip})
		}
		for i, f := range done {
			done[i].Key = keys[f.Path]
		}
		return done, err
	}
	if len(out) > 0 && toGenerate(left) <= chunkSize { // of many, too much would be in memory at once
		out = append(out, inTheMaking(keys, skip, rest)...)
		return func() ([]File, error) { return sorted(out), nil }
	}
	return func() ([]File, error) {
		done, err := rest()
		return sorted(append(out, done...)), err
	}
}

func sorted(files []File) []File {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files
}

func toGenerate(files []ir.ProtoFile) int {
	n := 0
	for _, f := range files {
		if f.Generate {
			n++
		}
	}
	return n
}

// inTheMaking starts to make the sources that have keys, but for those to skip.
func inTheMaking(keys map[string]string, skip map[string]bool, do func() ([]File, error)) []File {
	do = sync.OnceValues(do)
	var files []File
	for path, key := range keys {
		if skip[path] {
			continue
		}
		files = append(files, File{Path: path, Key: key, Kept: &fileset.Kept{Read: func() ([]byte, error) {
			done, err := do()
			if err != nil {
				return nil, err
			}
			return done[slices.IndexFunc(done, func(f File) bool { return f.Path == path })].Content, nil
		}}})
	}
	if len(files) > 0 {
		go func() {
			defer func() { _ = recover() }()
			_, _ = do() // who reads gets the error, or the panic
		}()
	}
	return files
}

// chunkSize is how many proto files are loaded at once. What protogen knows of a file takes several times the memory of
// the sources it becomes, and is released with its chunk.
const chunkSize = 4

// mode is how sources are made; it never shows in them.
type mode struct {
	linear bool            // the raw descriptor is spliced in after formatting, see descriptor.go
	chunk  int             // see chunkSize
	pack   bool            // see packAfter
	skip   map[string]bool // sources that were made before, though others of their files were not
	before fileset.Made    // sources with functions that need no formatting, see functions.go
}

func generate(files []ir.ProtoFile, prefixes map[string]string, how mode) ([]File, error) {
	stubs, err := newStubPrinter()
	if err != nil {
		return nil, err
	}
	var out []File
	kept := 0
	for chunk := range chunks(files, how.chunk) {
		how.pack = kept >= packAfter
		done, err := generateChunk(chunk, prefixes, stubs, how)
		if err != nil {
			return nil, err
		}
		for _, f := range done {
			kept += len(f.Content)
		}
		out = append(out, done...)
	}
	return out, nil
}

func generateChunk(files []ir.ProtoFile, prefixes map[string]string, stubs *stubPrinter, how mode) ([]File, error) {
	plugin, err := newPlugin(files, prefixes)
	if err != nil {
		return nil, err
	}
	var targets []*protogen.File
	full := map[*protogen.File]*descriptorpb.FileDescriptorProto{}
	for _, f := range plugin.Files {
		if f.Generate {
			targets = append(targets, f)
		}
		if _, ours := prefixes[f.Desc.Path()]; ours && how.linear {
			// Before any file is generated: a public import makes one file's generator read another's descriptor.
			full[f], f.Proto = f.Proto, stubDescriptor(f.Proto)
		}
	}

	// Messages and stubs of one file are formatted apart, so that also a single big file keeps two cores busy.
	done := make([][]File, 2*len(targets))
	var group parallel.Group
	group.SetLimit(workers(targets))
	for i, f := range targets {
		if !how.skip[f.GeneratedFilenamePrefix+messageSuffix] {
			group.Go(func() error {
				sources, err := messages(plugin, f, full[f], how.before)
				done[2*i], err = finished(sources, err, how.pack)
				return generating(f, err)
			})
		}
		if !how.skip[f.GeneratedFilenamePrefix+grpcSuffix] {
			group.Go(func() error {
				sources, err := stubs.print(plugin, f)
				done[2*i+1], err = finished(sources, err, how.pack)
				return generating(f, err)
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(done...), nil
}

// finished are sources that passed the last check.
func finished(sources []File, err error, pack bool) ([]File, error) {
	if err != nil {
		return nil, err
	}
	for i, f := range sources {
		if err := CheckDirectives(f.Path, f.Content); err != nil {
			return nil, err
		}
		if pack {
			sources[i] = File{Path: f.Path, Packed: fileset.Pack(f.Content)}
		}
	}
	return sources, nil
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
func messages(plugin *protogen.Plugin, f *protogen.File, full *descriptorpb.FileDescriptorProto, before fileset.Made) ([]File, error) {
	var meanwhile parallel.Group
	var splice *splice
	if full != nil {
		meanwhile.Go(func() (err error) {
			splice, err = newSplice(f, full)
			return err
		})
	}
	own := *plugin // for a list of generated files and a first error of its own
	have := takeShared(internal_gengo.GenerateFile(&own, f), before.Last(f.GeneratedFilenamePrefix+messageSuffix))
	files, err := formatted(&own)
	if err = errors.Join(err, meanwhile.Wait()); err != nil {
		return nil, err
	}
	if files[0].Content, err = have.put(files[0].Content); err != nil || full == nil {
		return files, err
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
