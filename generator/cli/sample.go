package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/naming"
)

// sampleRequest is a request for m as JSON: with the field that becomes the key of its first event, if there is one,
// else with its first field that is a string.
func sampleRequest(s *ir.Service, m ir.Method) string {
	sample := "{}"
	for _, field := range fields(s, m.Input.Proto) {
		if field.GetType() != descriptorpb.FieldDescriptorProto_TYPE_STRING ||
			field.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED {
			continue
		}
		object, err := json.Marshal(map[string]string{field.GetJsonName(): strings.ToLower(field.GetName()[:1]) + "-1"})
		if err != nil {
			continue // a map of strings has a JSON form
		}
		value := diag.Escape(string(object)) // a json_name may be any text
		if len(m.Emits) > 0 && m.Emits[0].Event.KeyExpr == "ev.Get"+naming.Camel(field.GetName())+"()" {
			return value
		}
		if sample == "{}" {
			sample = value
		}
	}
	return sample
}

// fields are those of a message on the top level of a file; none of another.
func fields(s *ir.Service, message string) []*descriptorpb.FieldDescriptorProto {
	for _, f := range s.Protos {
		name, ok := strings.CutPrefix(message, f.Package)
		name = strings.TrimPrefix(name, ".")
		if !ok || !slices.Contains(f.Types, name) {
			continue
		}
		fd, err := f.Descriptor.Message()
		if err != nil {
			return nil // it is a sample; who needs the descriptor has complained
		}
		for _, m := range fd.GetMessageType() {
			if m.GetName() == name {
				return m.GetField()
			}
		}
	}
	return nil
}
