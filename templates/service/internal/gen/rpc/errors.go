package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retryDelay is what an overloaded server asks for.
const retryDelay = time.Second

var (
	errOverloaded = overloaded()
	errDraining   = status.Error(codes.Unavailable, "the server is going away")
)

// overloaded is the answer to a call above the in-flight limit. RetryInfo keeps well-behaved clients from
// coming back at once.
func overloaded() error {
	st := status.New(codes.ResourceExhausted, "too many calls in flight")
	if with, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)}); err == nil {
		st = with
	}
	return st.Err()
}

// translate decides what a client learns of an error. A status passes as the handler made it, without the text
// it may be wrapped in; so do an expired deadline and a cancellation. Everything else is told by its kind only:
// the text stays in the log, where the request id leads to it.
func (c *chain) translate(call *call, err error) (codes.Code, error) {
	if err == nil {
		return codes.OK, nil
	}
	var (
		withStatus interface{ GRPCStatus() *status.Status }
		invalid    *invalidError
	)
	switch {
	case errors.As(err, &invalid):
		return codes.InvalidArgument, status.Error(codes.InvalidArgument, invalid.Error())
	case errors.As(err, &withStatus):
		if st := withStatus.GRPCStatus(); st.Code() != codes.OK {
			return st.Code(), st.Err()
		}
	default:
		if c.classify != nil {
			if code, text := c.classify(err); text != "" {
				return code, status.Error(code, text+" (request "+call.id+")")
			}
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return codes.DeadlineExceeded, status.Error(codes.DeadlineExceeded, "deadline exceeded")
		}
		if errors.Is(err, context.Canceled) {
			return codes.Canceled, status.Error(codes.Canceled, "cancelled")
		}
	}
	return codes.Internal, status.Error(codes.Internal, "internal error (request "+call.id+")")
}
