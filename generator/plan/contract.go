package plan

import (
	"fmt"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/descriptor"
	"github.com/svcgen/svcgen/generator/ir"
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

// descriptors is the FileDescriptorSet of the service's own protos, without comments and positions, which are no part of
// the contract.
func descriptors(s *ir.Service) ([]byte, error) {
	size := 0
	for _, proto := range s.Protos {
		size += len(proto.Descriptor)
	}
	set := make([]byte, 0, size)
	var bare []byte
	for _, proto := range s.Protos {
		if !proto.Generate {
			continue
		}
		bare = bare[:0]
		for f, err := range descriptor.Fields(proto.Descriptor) {
			if err != nil {
				return nil, err
			}
			if f.Number != descriptor.FileSourceInfo {
				bare = append(bare, f.Whole...)
			}
		}
		set = descriptor.Append(set, descriptor.SetFile, bare)
	}
	return set, nil
}
