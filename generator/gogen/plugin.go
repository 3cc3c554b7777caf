package gogen

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/svcgen/svcgen/generator/ir"
)

const (
	messageSuffix = ".pb.go"
	opaqueSuffix  = "_protoopaque.pb.go" // the second file of the hybrid API
	grpcSuffix    = "_grpc.pb.go"
)

// newPlugin is protogen's view of files, each in the Go package and at the output path that ir gave it.
func newPlugin(files []ir.ProtoFile, prefixes map[string]string) (*protogen.Plugin, error) {
	req := &pluginpb.CodeGeneratorRequest{}
	for _, f := range files {
		// Its go_package is the Go package. A parameter for each file (M) would do as well but for file names with a comma.
		fd, err := f.Descriptor.Message()
		if err != nil {
			return nil, fmt.Errorf("load the descriptor of %s: %w", f.Path, err)
		}
		req.ProtoFile = append(req.ProtoFile, fd)
		if f.Generate {
			req.FileToGenerate = append(req.FileToGenerate, f.Path)
		}
	}
	plugin, err := protogen.Options{}.New(req)
	if err != nil {
		return nil, fmt.Errorf("load descriptors: %w", err)
	}
	for _, f := range plugin.Files {
		if f.Generate {
			f.GeneratedFilenamePrefix = prefixes[f.Desc.Path()]
		}
	}
	return plugin, nil
}

// shallowCopy returns a descriptor of its own that shares its parts with d.
func shallowCopy(d *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	own := &descriptorpb.FileDescriptorProto{}
	dst, src := own.ProtoReflect(), d.ProtoReflect()
	src.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		dst.Set(fd, v)
		return true
	})
	dst.SetUnknown(src.GetUnknown())
	return own
}

// outputPrefixes gives each generated file the path of its sources without the suffix: the folder of its Go
// package and the name of the proto. When two protos of one package would write the same file, also on a file
// system that ignores case, the later one, by path, is named by its whole proto path.
func outputPrefixes(files []ir.ProtoFile, module string) (map[string]string, error) {
	prefixes := make(map[string]string, len(files))
	taken := make(map[string]bool)
	for _, f := range sortedByPath(files) {
		if !f.Generate {
			continue
		}
		dir, ok := strings.CutPrefix(f.Go.ImportPath+"/", module+"/")
		if !ok {
			return nil, fmt.Errorf("generate Go code of %s: package %s is outside module %s", f.Path, f.Go.ImportPath, module)
		}
		if _, dup := prefixes[f.Path]; dup {
			return nil, fmt.Errorf("generate Go code of %s: the file is listed twice", f.Path)
		}
		prefixes[f.Path] = freePrefix(dir, strings.TrimSuffix(f.Path, ".proto"), taken)
	}
	return prefixes, nil
}

// freePrefix takes the first name for proto whose sources are not in taken, and adds them there.
func freePrefix(dir, proto string, taken map[string]bool) string {
	for n := 0; ; n++ {
		name := path.Base(proto)
		if n > 0 {
			name = strings.ReplaceAll(proto, "/", "_")
		}
		if n > 1 {
			name += "_" + strconv.Itoa(n)
		}
		prefix := path.Join(dir, sourceName(name))
		outputs := []string{prefix + messageSuffix, prefix + opaqueSuffix, prefix + grpcSuffix}
		if !anyTaken(outputs, taken) {
			for _, out := range outputs {
				taken[strings.ToLower(out)] = true
			}
			return prefix
		}
	}
}

func anyTaken(outputs []string, taken map[string]bool) bool {
	for _, out := range outputs {
		if taken[strings.ToLower(out)] {
			return true
		}
	}
	return false
}
