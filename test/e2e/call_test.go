package e2e

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// call calls a unary method, given by its service's full name and its own, with a request in JSON. The stubs are in
// the emitted module, which this one does not import.
func (r *replica) call(ctx context.Context, service, method, request string) error {
	found, err := r.files.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return err
	}
	desc, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return fmt.Errorf("%s is no method", found.FullName())
	}
	in, out := dynamicpb.NewMessage(desc.Input()), dynamicpb.NewMessage(desc.Output())
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		return err
	}
	return r.conn.Invoke(ctx, "/"+service+"/"+method, in, out)
}

// decode reads an event of the named type.
func (e *example) decode(eventType string, payload []byte) (protoreflect.Message, error) {
	found, err := e.files.FindDescriptorByName(protoreflect.FullName(eventType))
	if err != nil {
		return nil, err
	}
	desc, ok := found.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no message", eventType)
	}
	m := dynamicpb.NewMessage(desc)
	return m, proto.Unmarshal(payload, m)
}

// field is a field's value as text.
func field(m protoreflect.Message, name string) string {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name))).String()
}
