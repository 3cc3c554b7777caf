package descriptor

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/gofeaturespb"
	_ "google.golang.org/protobuf/types/known/structpb"
)

func TestFieldsAreTheMessage(t *testing.T) {
	file, err := proto.Marshal(&descriptorpb.FileDescriptorProto{
		Name: new("a.proto"), Dependency: []string{"b.proto", "c.proto"}, PublicDependency: []int32{1},
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("M")}, {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var whole, again []byte
	for f, err := range Fields(file) {
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, f.Whole...)
		if f.Value == nil { // public_dependency, a number
			again = append(again, f.Whole...)
			continue
		}
		again = Append(again, f.Number, f.Value)
	}
	if !bytes.Equal(whole, file) || !bytes.Equal(again, file) {
		t.Errorf("%x\nin its fields    %x\nmade of values   %x", file, whole, again)
	}
}

// Everything is declared as it was, and no message has fields.
func TestDeclarations(t *testing.T) {
	for _, path := range []string{"google/protobuf/descriptor.proto", "google/protobuf/struct.proto", "google/protobuf/go_features.proto"} {
		t.Run(path, func(t *testing.T) {
			linked, err := protoregistry.GlobalFiles.FindFileByPath(path)
			if err != nil {
				t.Fatal(err)
			}
			want := protodesc.ToFileDescriptorProto(linked)
			raw, err := proto.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			withoutFields(want.GetMessageType())
			bare, err := Declarations(raw)
			if err != nil {
				t.Fatal(err)
			}
			got := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(bare, got); err != nil {
				t.Fatal(err)
			}
			if len(bare) == len(raw) || !proto.Equal(got, want) {
				t.Errorf("%d bytes of %d:\n%v\nwant\n%v", len(bare), len(raw), got, want)
			}
			if _, err := protodesc.NewFile(got, protoregistry.GlobalFiles); err != nil {
				t.Error(err)
			}
			if _, err := Declarations(raw[:len(raw)-1]); err == nil {
				t.Error("half of a file is read")
			}
		})
	}
}

func withoutFields(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		m.Field, m.OneofDecl = nil, nil
		withoutFields(m.GetNestedType())
	}
}

func TestFieldsEndAtAnError(t *testing.T) {
	for name, message := range map[string][]byte{
		"no value":         {0x0a},
		"too short":        {0x0a, 5, 'x'},
		"number zero":      {0x02, 0},
		"end of no group":  {0x0c},
		"endless varint":   bytes.Repeat([]byte{0xff}, 11),
		"length past 2^63": append([]byte{0x0a}, bytes.Repeat([]byte{0xff}, 10)...),
	} {
		t.Run(name, func(t *testing.T) {
			good := Append(nil, FileName, []byte("good"))
			var count int
			var last error
			for _, err := range Fields(append(good, message...)) {
				count++
				last = err
			}
			if count != 2 || last == nil {
				t.Errorf("%d fields, then %v; want one, then an error", count, last)
			}
		})
	}
}
