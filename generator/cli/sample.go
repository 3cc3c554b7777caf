package cli

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/ir"
)

// sampleRequest is a request of the given message type as JSON: with its first field that is a string, if any.
func sampleRequest(s *ir.Service, message string) string {
	for _, f := range s.Protos {
		name, ok := strings.CutPrefix(message, f.Descriptor.GetPackage())
		if !ok {
			continue
		}
		for _, m := range f.Descriptor.GetMessageType() {
			if m.GetName() != strings.TrimPrefix(name, ".") {
				continue
			}
			for _, field := range m.GetField() {
				if field.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING &&
					field.GetLabel() != descriptorpb.FieldDescriptorProto_LABEL_REPEATED {
					return fmt.Sprintf(`{"%s":"%s-1"}`, field.GetJsonName(), s.Name[:1])
				}
			}
		}
	}
	return "{}"
}
