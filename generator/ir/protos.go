package ir

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// protos are the files of the schema as protoc-gen-go is to see them: with our go_package and harmless comments.
func (r *resolver) protos() []ProtoFile {
	var list []ProtoFile
	for _, f := range r.schema.Files {
		p, err := NewProtoFile(f.Proto, r.packages[f.Path], f.Known == nil)
		if err != nil {
			r.list.Add(r.fileStart(f), "", "its descriptor cannot be serialized: %s", err.Error())
		}
		list = append(list, p)
	}
	return list
}

// NewProtoFile is the file of fd, which is not changed, with its Go package, which it is given as its go_package, and
// harmless comments.
func NewProtoFile(fd *descriptorpb.FileDescriptorProto, pkg GoPackage, generate bool) (ProtoFile, error) {
	p := ProtoFile{
		Path: fd.GetName(), Package: fd.GetPackage(), Imports: fd.GetDependency(), Services: len(fd.GetService()), Go: pkg, Generate: generate,
	}
	for _, m := range fd.GetMessageType() {
		p.Types = append(p.Types, m.GetName())
	}
	for _, e := range fd.GetEnumType() {
		p.Types = append(p.Types, e.GetName())
	}
	var err error
	p.Descriptor, err = proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(rewritten(fd, pkg))
	return p, err
}

// rewritten is a copy of a file's descriptor; what it does not change it shares with the original.
func rewritten(from *descriptorpb.FileDescriptorProto, pkg GoPackage) *descriptorpb.FileDescriptorProto {
	fd := &descriptorpb.FileDescriptorProto{}
	from.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		fd.ProtoReflect().Set(field, v)
		return true
	})
	fd.ProtoReflect().SetUnknown(from.ProtoReflect().GetUnknown())
	fd.Options = &descriptorpb.FileOptions{}
	if from.Options != nil {
		fd.Options = proto.CloneOf(from.Options)
	}
	fd.Options.GoPackage = new(pkg.ImportPath + ";" + pkg.Name)
	fd.SourceCodeInfo = harmless(from.GetSourceCodeInfo())
	return fd
}
