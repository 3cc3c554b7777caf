package ir

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
)

// opaque reports whether protoc-gen-go hides the fields of a message: features.(pb.go).api_level says so on the
// message, on one around it, or on the file. Up to edition 2023 the default is the open API.
func opaque(m protoreflect.MessageDescriptor) bool {
	for d := protoreflect.Descriptor(m); d != nil; d = d.Parent() {
		switch level := apiLevel(d.Options()); level {
		case gofeaturespb.GoFeatures_API_OPAQUE:
			return true
		case gofeaturespb.GoFeatures_API_OPEN, gofeaturespb.GoFeatures_API_HYBRID:
			return false
		}
	}
	return false
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
