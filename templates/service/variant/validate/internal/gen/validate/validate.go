// Package validate holds the rules for requests: those the protos state with buf/validate.
package validate

import (
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
)

// New returns the check for incoming messages. Its error tells the caller which field breaks which rule.
func New() (func(proto.Message) error, error) {
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("make validator: %w", err)
	}
	return func(m proto.Message) error { return validator.Validate(m) }, nil
}
