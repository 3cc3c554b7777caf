package rpc

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// requestIDHeader carries the request id, in and out.
const requestIDHeader = "x-request-id"

// call is one call on its way through the chain, and the context its handler gets.
type call struct {
	context.Context
	method *method
	start  time.Time
	id     string
	header [1]string  // the id as metadata wants it
	span   trace.Span // nil unless it records
}

type callKey struct{}

// Value makes the call known to RequestID without a context of its own.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// RequestID is the id of the call that ctx belongs to, or empty.
func RequestID(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.id
	}
	return ""
}

// identify gives the call its request id, the client's when it sent a sound one, tells the client, and joins
// the client's trace.
func (c *chain) identify(call *call) {
	ctx := call.Context
	if ids := metadata.ValueFromIncomingContext(ctx, requestIDHeader); len(ids) == 1 && soundID(ids[0]) {
		call.id = ids[0]
	} else {
		call.id = c.newID()
	}
	if ts := grpc.ServerTransportStreamFromContext(ctx); ts != nil {
		call.header[0] = call.id
		// It fails only when headers are out already, and nothing has run before this interceptor.
		_ = ts.SetHeader(metadata.MD{requestIDHeader: call.header[:]})
	}
	if call.method.exempt {
		return
	}
	parent := metadata.ValueFromIncomingContext(ctx, "traceparent")
	if len(parent) == 1 {
		ctx = propagation.TraceContext{}.Extract(ctx, &traceHeaders{ctx: ctx, parent: parent[0]})
	}
	// A client that decided not to sample has decided for the whole trace: then the span would be thrown away.
	remote := trace.SpanContextFromContext(ctx)
	if c.tracer != nil && (!remote.IsValid() || remote.IsSampled()) {
		var span trace.Span
		ctx, span = c.tracer.Start(ctx, call.method.name, call.method.spanOptions...)
		if span.IsRecording() {
			call.span = span
		}
	}
	call.Context = ctx
}

// endSpan closes the span of a sampled call.
func (c *call) endSpan(code codes.Code) {
	if c.span == nil {
		return
	}
	c.span.SetAttributes(attribute.String("rpc.response.status_code", codeName(code)), attribute.String("request.id", c.id))
	if serverFault(code) {
		c.span.SetStatus(otelcodes.Error, "")
	}
	c.span.End()
}

// traceHeaders shows the propagator the two headers it reads.
type traceHeaders struct {
	ctx    context.Context
	parent string
}

func (h *traceHeaders) Get(key string) string {
	switch key {
	case "traceparent":
		return h.parent
	case "tracestate":
		if v := metadata.ValueFromIncomingContext(h.ctx, key); len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

func (h *traceHeaders) Set(string, string) {}
func (h *traceHeaders) Keys() []string     { return nil }

// soundID reports whether a client's request id may enter logs and headers: it is short, printable and can
// break neither a log line nor a header.
func soundID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}

// randomID is a request id that no two calls share in practice. It is a name, not a secret.
func randomID() string {
	var b [16]byte
	out := strconv.AppendUint(b[:0], rand.Uint64()|1<<63, 16)
	return string(out)
}
