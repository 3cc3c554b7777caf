// Package validate holds the rules for requests. This service's protos state none, so there is nothing to check;
// once a proto imports buf/validate, svcgen puts protovalidate here.
package validate

import "google.golang.org/protobuf/proto"

// New returns the check for incoming messages, or nil when there is none.
func New() (func(proto.Message) error, error) { return nil, nil }
