package testkit

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Stream is the server's side of a streaming call without a network: it yields the requests it was made with and
// keeps what is sent. It serves for all three kinds of stream. It is for one goroutine.
type Stream[Req, Res any] struct {
	grpc.ServerStream
	ctx  context.Context
	reqs []*Req

	Sent []*Res
}

// NewStream makes a stream on which the client sends reqs and then ends its side.
func NewStream[Req, Res any](ctx context.Context, reqs ...*Req) *Stream[Req, Res] {
	return &Stream[Req, Res]{ctx: ctx, reqs: reqs}
}

// Context is the call's.
func (s *Stream[Req, Res]) Context() context.Context { return s.ctx }

// Recv returns the next request, or io.EOF.
func (s *Stream[Req, Res]) Recv() (*Req, error) {
	if len(s.reqs) == 0 {
		return nil, io.EOF
	}
	req := s.reqs[0]
	s.reqs = s.reqs[1:]
	return req, nil
}

// Send keeps res.
func (s *Stream[Req, Res]) Send(res *Res) error {
	s.Sent = append(s.Sent, res)
	return nil
}

// SendAndClose keeps the one answer of a client stream.
func (s *Stream[Req, Res]) SendAndClose(res *Res) error { return s.Send(res) }

// SetHeader forgets its metadata.
func (s *Stream[Req, Res]) SetHeader(metadata.MD) error { return nil }

// SendHeader forgets its metadata.
func (s *Stream[Req, Res]) SendHeader(metadata.MD) error { return nil }

// SetTrailer forgets its metadata.
func (s *Stream[Req, Res]) SetTrailer(metadata.MD) {}
