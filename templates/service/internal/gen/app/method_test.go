package app

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestMethodsOfNamesakes proves that of services with one name each can be called by the name that is listed.
func TestMethodsOfNamesakes(t *testing.T) {
	var id Identity
	for _, pkg := range []string{"", "namesake.v1", "namesake.v2"} {
		file := &descriptorpb.FileDescriptorProto{
			Name:        new("namesake" + pkg + ".proto"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: new("Namesake" + string('A'+rune(len(id.Services))))}},
		}
		message := "." + file.GetMessageType()[0].GetName()
		if pkg != "" {
			file.Package, message = new(pkg), "."+pkg+message
		}
		file.Service = []*descriptorpb.ServiceDescriptorProto{{Name: new("Namesake"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: new("Do"), InputType: &message, OutputType: &message},
		}}}
		fd, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		if err := protoregistry.GlobalFiles.RegisterFile(fd); err != nil {
			t.Fatal(err)
		}
		id.Services = append(id.Services, string(fd.Services().Get(0).FullName()))
	}
	names := methodNames(id)
	if want := []string{"Namesake/Do", "namesake.v1.Namesake/Do", "namesake.v2.Namesake/Do"}; !slices.Equal(names, want) {
		t.Errorf("methods %q, want %q", names, want)
	}
	for i, name := range names {
		m, err := findMethod(id, name)
		if err != nil || string(m.Parent().FullName()) != id.Services[i] {
			t.Errorf("%s: found %v, %v", name, m, err)
		}
	}
}
