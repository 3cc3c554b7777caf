package ir

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
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

// Fields of a file's descriptor and of its options.
const (
	optionsField    protowire.Number = 8
	sourceInfoField protowire.Number = 9
	goPackageField  protowire.Number = 11
)

// rewritten is the serialized descriptor of a file with what protoc-gen-go is to see. It changes bytes and not a message: options
// read again have another order, if this program knows the extensions among them only now.
func rewritten(fd *descriptorpb.FileDescriptorProto, raw []byte, pkg GoPackage) ([]byte, error) {
	if fd.SourceCodeInfo != nil {
		info, err := serialized.Marshal(harmless(fd.SourceCodeInfo))
		if err != nil {
			return nil, err
		}
		if raw, err = withField(raw, sourceInfoField, info); err != nil {
			return nil, err
		}
	}
	options, err := bytesField(raw, optionsField)
	if err != nil {
		return nil, err
	}
	if options, err = withField(options, goPackageField, []byte(pkg.ImportPath+";"+pkg.Name)); err != nil {
		return nil, err
	}
	return withField(raw, optionsField, options)
}

// bytesField is the value of the last field of that number in a serialized message, nil if there is none.
func bytesField(message []byte, want protowire.Number) (value []byte, err error) {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeField(message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if field == want && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			value, _ = protowire.ConsumeBytes(message[tag:])
		}
		message = message[n:]
	}
	return value, nil
}

// extensions is the first number that an extension of a descriptor may have.
const extensions protowire.Number = 1000

// withField is a serialized message with that value for the field, where the field was or where it belongs.
func withField(message []byte, want protowire.Number, value []byte) ([]byte, error) {
	out := make([]byte, 0, len(message)+len(value)+2*protowire.SizeTag(want))
	done := false
	put := func() {
		if !done {
			out = protowire.AppendBytes(protowire.AppendTag(out, want, protowire.BytesType), value)
		}
		done = true
	}
	for len(message) > 0 {
		field, _, n := protowire.ConsumeField(message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if field >= want && field < extensions {
			put()
		}
		if field != want {
			out = append(out, message[:n]...)
		}
		message = message[n:]
	}
	put()
	return slices.Clip(out), nil
}
