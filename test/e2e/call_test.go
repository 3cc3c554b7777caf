package e2e

import (
	"context"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// call calls a unary method, given by its service's full name and its own, with a request in JSON. The stubs are in
// the emitted module, which this one does not import.
func (r *replica) call(ctx context.Context, service, method, request string) error {
	desc, err := r.Method(service, method)
	if err != nil {
		return err
	}
	in, out := dynamicpb.NewMessage(desc.Input()), dynamicpb.NewMessage(desc.Output())
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		return err
	}
	return r.Conn.Invoke(ctx, "/"+service+"/"+method, in, out)
}

// field is a field's value as text.
func field(m protoreflect.Message, name string) string {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name))).String()
}
