package schema

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Known is a proto file that an existing Go module provides. Generating its code a second time would panic at
// start, since a process may register a proto file and a name only once.
type Known struct {
	Path       string // google/api/annotations.proto
	Module     string // google.golang.org/genproto/googleapis/api
	ImportPath string // google.golang.org/genproto/googleapis/api/annotations
	Package    string // annotations

	desc protoreflect.FileDescriptor
}

// modules maps the folders of well-known protos to the Go modules that provide them. All of them are in this
// module's go.mod, which pins the versions that emitted services get.
func modules() []struct{ prefix, module string } {
	return []struct{ prefix, module string }{
		{"google/protobuf/", "google.golang.org/protobuf"},
		{"google/api/", "google.golang.org/genproto/googleapis/api"},
		{"google/rpc/", "google.golang.org/genproto/googleapis/rpc"},
		{"buf/validate/", "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go"},
		{"cel/expr/", "cel.dev/expr"},
		{"grpc/", "google.golang.org/grpc"},
		{"io/prometheus/client/", "github.com/prometheus/client_model"},
		{"opentelemetry/proto/", "go.opentelemetry.io/proto/otlp"},
		{"protoc-gen-openapiv2/options/", "github.com/grpc-ecosystem/grpc-gateway/v2"},
	}
}

// lookupKnown is the linked-in file of an import path, or nil.
func lookupKnown(importPath string) *Known {
	for _, m := range modules() {
		if strings.HasPrefix(importPath, m.prefix) {
			fd, err := protoregistry.GlobalFiles.FindFileByPath(importPath)
			if err != nil {
				return nil
			}
			return newKnown(fd, m.module)
		}
	}
	return nil
}

func newKnown(fd protoreflect.FileDescriptor, module string) *Known {
	k := &Known{Path: fd.Path(), Module: module, desc: fd}
	if opts, ok := fd.Options().(*descriptorpb.FileOptions); ok {
		k.ImportPath, k.Package, _ = strings.Cut(opts.GetGoPackage(), ";")
	}
	if k.Package == "" {
		k.Package = k.ImportPath[strings.LastIndexByte(k.ImportPath, '/')+1:]
	}
	return k
}

// Registered is the linked-in file that declares a full name, or nil. A user's file that declares it as well
// cannot be in the same process.
func Registered(name protoreflect.FullName) *Known {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil
	}
	return lookupKnown(d.ParentFile().Path())
}

// RegisteredPackage is a linked-in file whose package is called so, or lies in one that is; nil if there is none.
func RegisteredPackage(name protoreflect.FullName) *Known {
	first, _, _ := strings.Cut(string(name), ".")
	if !slices.ContainsFunc(modules(), func(m struct{ prefix, module string }) bool { return strings.HasPrefix(m.prefix, first+"/") }) {
		return nil // which is nearly always so; the table takes a while to make
	}
	return packages()[name]
}

var packages = sync.OnceValue(func() map[protoreflect.FullName]*Known {
	all := map[protoreflect.FullName]*Known{}
	for _, path := range knownPaths() {
		known := lookupKnown(path)
		for pkg := known.desc.Package(); pkg != "" && all[pkg] == nil; pkg = pkg.Parent() {
			all[pkg] = known
		}
	}
	return all
})

// RegisteredExtension is the linked-in file that declares another extension of the same message and number, or nil.
func RegisteredExtension(x protoreflect.ExtensionDescriptor) *Known {
	other, err := protoregistry.GlobalTypes.FindExtensionByNumber(x.ContainingMessage().FullName(), x.Number())
	if err != nil {
		return nil
	}
	return lookupKnown(other.TypeDescriptor().ParentFile().Path())
}

// knownPaths lists every linked-in file, for hints.
func knownPaths() []string {
	var paths []string
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if lookupKnown(fd.Path()) != nil {
			paths = append(paths, fd.Path())
		}
		return true
	})
	slices.Sort(paths)
	return paths
}
