package plan

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/ir"
)

const (
	fileField      = 1 // of a FileDescriptorSet
	sourceCodeInfo = 9 // of a file: its comments and positions, which are no part of the contract
)

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

// descriptors is the FileDescriptorSet of the service's own protos.
func descriptors(s *ir.Service) ([]byte, error) {
	var set []byte
	for _, f := range s.Protos {
		if !f.Generate {
			continue
		}
		bare, err := without(sourceCodeInfo, f.Descriptor)
		if err != nil {
			return nil, err
		}
		set = protowire.AppendTag(set, fileField, protowire.BytesType)
		set = protowire.AppendBytes(set, bare)
	}
	return set, nil
}

// without is a serialized message but for one of its fields.
func without(field protowire.Number, message []byte) ([]byte, error) {
	var out []byte
	for len(message) > 0 {
		n, _, size := protowire.ConsumeField(message)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		if n != field {
			out = append(out, message[:size]...)
		}
		message = message[size:]
	}
	return out, nil
}
