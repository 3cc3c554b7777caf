package ir

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"

	"github.com/svcgen/svcgen/generator/naming"
)

// The APIs that protoc-gen-go has for a message.
const (
	apiOpen   = gofeaturespb.GoFeatures_API_OPEN
	apiHybrid = gofeaturespb.GoFeatures_API_HYBRID
	apiOpaque = gofeaturespb.GoFeatures_API_OPAQUE
)

// opaque reports whether protoc-gen-go hides the fields of a message.
func opaque(m protoreflect.MessageDescriptor) bool { return effectiveAPI(m) == apiOpaque }

// effectiveAPI is the API of a message: features.(pb.go).api_level sets it on the message, on one around it, or on
// the file. Up to edition 2023 the default is the open one.
func effectiveAPI(m protoreflect.MessageDescriptor) gofeaturespb.GoFeatures_APILevel {
	for d := protoreflect.Descriptor(m); d != nil; d = d.Parent() {
		if level := apiLevel(d.Options()); level != gofeaturespb.GoFeatures_API_LEVEL_UNSPECIFIED {
			return level
		}
	}
	return apiOpen
}

// getter is the name of the method that reads a field, as protogen makes it.
func getter(f protoreflect.FieldDescriptor) string {
	msg := f.ContainingMessage()
	api := effectiveAPI(msg)
	if api == apiOpen {
		return "Get" + fieldNames(msg)[f.Name()]
	}
	names := accessorNames(msg)
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	name := names[f]
	methods := []string{"Set", "Get"}
	if f.HasPresence() {
		methods = append(methods, "Has", "Clear")
	}
	if api == apiHybrid && slices.ContainsFunc(methods, func(method string) bool { return taken[method+name] }) {
		return "Get_" + name
	}
	return "Get" + name
}

// accessorNames are what the methods of hybrid and opaque messages are called after, for fields and oneofs: two fields of one
// name have their numbers in it.
func accessorNames(msg protoreflect.MessageDescriptor) map[protoreflect.Descriptor]string {
	names := map[protoreflect.Descriptor]string{}
	for i := range msg.Fields().Len() {
		f := msg.Fields().Get(i)
		if names[f] = naming.Camel(string(f.Name())); names[f] == "Build" {
			names[f] = "Build_"
		}
		if o := f.ContainingOneof(); o != nil {
			names[o] = naming.Camel(string(o.Name()))
		}
	}
	first := map[string]protoreflect.FieldDescriptor{}
	for i := range msg.Fields().Len() {
		f := msg.Fields().Get(i)
		other, twice := first[names[f]]
		if !twice {
			first[names[f]] = f
			continue
		}
		for _, f := range []protoreflect.FieldDescriptor{other, f} {
			number := fmt.Sprintf("_%d", f.Number())
			names[f] += number
			if o := f.ContainingOneof(); o != nil {
				names[o] += number
			}
		}
	}
	return names
}

func apiLevel(options protoreflect.ProtoMessage) gofeaturespb.GoFeatures_APILevel {
	var features *descriptorpb.FeatureSet
	switch o := options.(type) {
	case *descriptorpb.FileOptions:
		features = o.GetFeatures()
	case *descriptorpb.MessageOptions:
		features = o.GetFeatures()
	}
	if features == nil {
		return gofeaturespb.GoFeatures_API_LEVEL_UNSPECIFIED
	}
	// The compiler may have kept the extension as bytes it does not know; reading them again with the linked-in
	// types makes it known.
	raw, err := proto.Marshal(features)
	if err != nil {
		return gofeaturespb.GoFeatures_API_LEVEL_UNSPECIFIED
	}
	known := &descriptorpb.FeatureSet{}
	if err := proto.Unmarshal(raw, known); err != nil {
		return gofeaturespb.GoFeatures_API_LEVEL_UNSPECIFIED
	}
	if goFeatures, ok := proto.GetExtension(known, gofeaturespb.E_Go).(*gofeaturespb.GoFeatures); ok {
		return goFeatures.GetApiLevel()
	}
	return gofeaturespb.GoFeatures_API_LEVEL_UNSPECIFIED
}
