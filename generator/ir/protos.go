package ir

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/descriptor"
)

// protos are the files of the schema as protoc-gen-go is to see them: with our go_package and harmless comments.
func (r *resolver) protos() []ProtoFile {
	var list []ProtoFile
	for _, f := range r.schema.Files {
		p, err := newProtoFile(f.Proto, f.Raw, r.packages[f.Path], f.Known == nil)
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
	raw, err := serialized.Marshal(fd)
	if err != nil {
		return ProtoFile{}, err
	}
	return newProtoFile(fd, raw, pkg, generate)
}

var serialized = proto.MarshalOptions{AllowPartial: true, Deterministic: true}

// newProtoFile is NewProtoFile for a descriptor that is serialized already.
func newProtoFile(fd *descriptorpb.FileDescriptorProto, raw []byte, pkg GoPackage, generate bool) (ProtoFile, error) {
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
	p.Descriptor, err = rewritten(fd, raw, pkg)
	return p, err
}

// rewritten is the serialized descriptor of a file with what protoc-gen-go is to see. It changes bytes and not a message: options
// read again have another order, if this program knows the extensions among them only now.
func rewritten(fd *descriptorpb.FileDescriptorProto, raw []byte, pkg GoPackage) ([]byte, error) {
	if fd.SourceCodeInfo != nil {
		info, err := serialized.Marshal(harmless(fd.SourceCodeInfo))
		if err != nil {
			return nil, err
		}
		if raw, err = withField(raw, descriptor.FileSourceInfo, info); err != nil {
			return nil, err
		}
	}
	options, err := valueOf(raw, descriptor.FileOptions)
	if err != nil {
		return nil, err
	}
	if options, err = withField(options, descriptor.OptionsGoPackage, []byte(pkg.ImportPath+";"+pkg.Name)); err != nil {
		return nil, err
	}
	return withField(raw, descriptor.FileOptions, options)
}

// valueOf is the value of the last field of that number in a serialized message, nil if there is none.
func valueOf(message []byte, number protowire.Number) (value []byte, err error) {
	for f, err := range descriptor.Fields(message) {
		if err != nil {
			return nil, err
		}
		if f.Number == number {
			value = f.Value
		}
	}
	return value, nil
}

// withField is a serialized message with that value for the field, where the field was or where it belongs.
func withField(message []byte, number protowire.Number, value []byte) ([]byte, error) {
	out := make([]byte, 0, len(message)+len(value)+2*protowire.SizeTag(number))
	done := false
	put := func() {
		if !done {
			out = descriptor.Append(out, number, value)
		}
		done = true
	}
	for f, err := range descriptor.Fields(message) {
		if err != nil {
			return nil, err
		}
		if f.Number >= number && f.Number < descriptor.FirstExtension {
			put()
		}
		if f.Number != number {
			out = append(out, f.Whole...)
		}
	}
	put()
	return slices.Clip(out), nil
}
