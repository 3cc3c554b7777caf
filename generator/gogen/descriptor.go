package gogen

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The raw descriptor is a string constant of thousands of lines joined by +, and go/printer is quadratic in
// their number. protoc-gen-go reads protogen.File.Proto only for that constant and for the deprecated option,
// so it is given a stub, the file is formatted with the stub's constant in it, and then that constant is
// replaced by the real one, printed as go/printer would. TestLinearEqualsStock compares the bytes.

// errNoMarker says that a formatted file does not hold the constant of a stub, or one that stands in for a row, in the expected form.
var errNoMarker = errors.New("a constant that is to be replaced is not in the generated file")

// stubDescriptor is what protoc-gen-go has to know of d.
func stubDescriptor(d *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	stub := &descriptorpb.FileDescriptorProto{Name: d.Name}
	if d.GetOptions().GetDeprecated() {
		stub.Options = &descriptorpb.FileOptions{Deprecated: new(true)}
	}
	return stub
}

// splice replaces the constant of a stub by the constant of the real descriptor.
type splice struct{ stub, full []byte }

func newSplice(f *protogen.File, full *descriptorpb.FileDescriptorProto) (*splice, error) {
	stub, err := rawDescriptor(f.Proto)
	if err != nil {
		return nil, err
	}
	raw, err := rawDescriptor(full)
	if err != nil {
		return nil, err
	}
	name := rawDescriptorName(f)
	return &splice{stub: constant(name, stub), full: constant(name, raw)}, nil
}

func (s *splice) apply(source []byte) ([]byte, error) {
	before, after, found := bytes.Cut(source, s.stub)
	if !found || bytes.Contains(after, s.stub) {
		return nil, errNoMarker
	}
	return bytes.Join([][]byte{before, s.full, after}, nil), nil
}

// rawDescriptor serialises d as protoc-gen-go does: no source positions, no options retained in source only.
func rawDescriptor(d *descriptorpb.FileDescriptorProto) ([]byte, error) {
	own := shallowCopy(d)
	own.SourceCodeInfo = nil
	own = proto.CloneOf(own)
	stripSourceRetention(own.ProtoReflect())
	return proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(own)
}

// stripSourceRetention clears the options of m, and of all that it holds, that are retained in source only.
func stripSourceRetention(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		options, ok := fd.Options().(*descriptorpb.FieldOptions)
		switch {
		case ok && options.GetRetention() == descriptorpb.FieldOptions_RETENTION_SOURCE:
			m.Clear(fd)
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					stripSourceRetention(v.Message())
					return true
				})
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				stripSourceRetention(v.List().Get(i).Message())
			}
		default:
			stripSourceRetention(v.Message())
		}
		return true
	})
}

// rawDescriptorName is protoc-gen-go's name for f's constant.
func rawDescriptorName(f *protogen.File) string {
	name := f.GoDescriptorIdent.GoName
	_, n := utf8.DecodeRuneInString(name)
	return strings.ToLower(name[:n]) + name[n:] + "_rawDesc"
}

// constant prints raw as protoc-gen-go and go/printer do: an empty string and one more for each newline byte.
func constant(name string, raw []byte) []byte {
	out := make([]byte, 0, 64+3*len(raw))
	out = append(out, "\nconst "+name+` = ""`...)
	for line := range bytes.SplitAfterSeq(raw, []byte{'\n'}) {
		out = append(out, " +\n\t"...)
		out = strconv.AppendQuote(out, string(line))
	}
	return append(out, '\n')
}
