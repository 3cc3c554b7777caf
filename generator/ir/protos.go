package ir

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/schema"
)

// protos are the files of the schema as protoc-gen-go is to see them: with our go_package and harmless comments.
func (r *resolver) protos() []ProtoFile {
	var list []ProtoFile
	for _, f := range r.schema.Files {
		pkg := r.packages[f.Path]
		p := ProtoFile{Path: f.Path, Go: pkg, Descriptor: f.Proto, Generate: f.Known == nil}
		if p.Generate {
			p.Descriptor = rewritten(f, pkg)
		}
		list = append(list, p)
	}
	return list
}

// rewritten is a copy of a file's descriptor; what it does not change it shares with the original.
func rewritten(f *schema.File, pkg GoPackage) *descriptorpb.FileDescriptorProto {
	fd := &descriptorpb.FileDescriptorProto{}
	f.Proto.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		fd.ProtoReflect().Set(field, v)
		return true
	})
	fd.ProtoReflect().SetUnknown(f.Proto.ProtoReflect().GetUnknown())
	fd.Options = &descriptorpb.FileOptions{}
	if f.Proto.Options != nil {
		fd.Options = proto.CloneOf(f.Proto.Options)
	}
	fd.Options.GoPackage = new(pkg.ImportPath + ";" + pkg.Name)
	fd.SourceCodeInfo = harmless(f.Proto.GetSourceCodeInfo())
	return fd
}
