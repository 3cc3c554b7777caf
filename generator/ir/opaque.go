package ir

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
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
