package plan

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/ir"
)

// sourceCodeInfo is the field of a file's descriptor with its comments and positions, which are no part of the
// contract.
const sourceCodeInfo = 9

// promises is what the service serves and publishes, and the descriptors of its own protos, for the next run to
// compare with.
func promises() func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		set, err := descriptors(p.service)
		if err != nil {
			return nil, fmt.Errorf("marshal the descriptors: %w", err)
		}
		text, err := contract.Of(p.service).Format()
		if err != nil {
			return nil, fmt.Errorf("marshal the contract: %w", err)
		}
		return []File{
			{Path: contract.Descriptors, Source: Given, Content: set},
			{Path: contract.File, Source: Given, Content: text},
		}, nil
	}
}

func descriptors(s *ir.Service) ([]byte, error) {
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range s.Protos {
		if !f.Generate {
			continue
		}
		bare := &descriptorpb.FileDescriptorProto{}
		f.Descriptor.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if field.Number() != sourceCodeInfo {
				bare.ProtoReflect().Set(field, v)
			}
			return true
		})
		set.File = append(set.File, bare)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(set)
}
