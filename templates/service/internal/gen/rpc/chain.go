package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// chain is everything that happens around a handler, in one interceptor for unary calls and one for streams:
// shed, identify, trace, limit the time, validate, recover, map the error, measure, log. A chain of separate
// interceptors does the same with a context, a closure and an attribute set for each.
type chain struct {
	log      *slog.Logger
	tracer   trace.Tracer
	validate func(proto.Message) error
	classify func(error) (codes.Code, string)
	now      func() time.Time
	newID    func() string

	timeout       time.Duration // of unary calls whose client sets none
	streamTimeout time.Duration
	maxCalls      int64
	maxStreams    int64
	calls         atomic.Int64
	streams       atomic.Int64

	duration metric.Float64Histogram
	methods  map[string]*method // complete before the first call, then only read
	other    *method            // a method nobody registered

	draining context.Context // done when health watches must end
	endAll   context.CancelFunc
}

func newChain(cfg Config, opts Options) (*chain, error) {
	c := &chain{
		log: opts.Log, tracer: opts.Tracer, validate: opts.Validate, classify: opts.Classify,
		now: opts.Now, newID: opts.NewID,
		timeout: cfg.Timeout, streamTimeout: cfg.StreamTimeout,
		maxCalls: cfg.maxInFlight(), maxStreams: cfg.maxStreams(),
		methods: map[string]*method{}, other: newMethod("_OTHER"),
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.newID == nil {
		c.newID = randomID
	}
	provider := opts.Meter
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	if err := c.instrument(provider.Meter("rpc")); err != nil {
		return nil, err
	}
	c.draining, c.endAll = context.WithCancel(context.Background())
	return c, nil
}

// learn prepares what is known about each method before the first call.
func (c *chain) learn(services map[string]grpc.ServiceInfo) {
	for service, info := range services {
		for _, m := range info.Methods {
			full := "/" + service + "/" + m.Name
			c.methods[full] = newMethod(service + "/" + m.Name)
			c.methods[full].exempt = service == grpc_health_v1.Health_ServiceDesc.ServiceName
		}
	}
}

func (c *chain) method(full string) *method {
	if m, ok := c.methods[full]; ok {
		return m
	}
	return c.other
}

func (c *chain) endWatches() { c.endAll() }

// unary is the interceptor of unary calls.
func (c *chain) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	m := c.method(info.FullMethod)
	call := &call{Context: ctx, method: m, start: c.now()}
	c.identify(call)
	if !c.enter(&c.calls, c.maxCalls, m) {
		return nil, c.finish(call, errOverloaded)
	}
	if _, ok := ctx.Deadline(); !ok && c.timeout > 0 {
		var cancel context.CancelFunc
		call.Context, cancel = context.WithTimeout(call.Context, c.timeout)
		defer cancel()
	}
	resp, err := c.invoke(call, req, handler)
	c.calls.Add(-1)
	if err = c.finish(call, err); err != nil {
		return nil, err
	}
	return resp, nil
}

func (c *chain) invoke(call *call, req any, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	if c.validate != nil {
		if err := c.check(req); err != nil {
			return nil, err
		}
	}
	return handler(call, req)
}

// stream is the interceptor of the three kinds of streaming calls.
func (c *chain) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	m := c.method(info.FullMethod)
	call := &call{Context: ss.Context(), method: m, start: c.now()}
	c.identify(call)
	if !c.enter(&c.streams, c.maxStreams, m) {
		return c.finish(call, errOverloaded)
	}
	if c.streamTimeout > 0 {
		var cancel context.CancelFunc
		call.Context, cancel = context.WithTimeout(call.Context, c.streamTimeout)
		defer cancel()
	}
	if m.exempt { // a health watch: it would hold up a graceful stop for as long as its client likes
		var cancel context.CancelFunc
		call.Context, cancel = context.WithCancel(call.Context)
		defer cancel()
		defer context.AfterFunc(c.draining, cancel)()
	}
	err := c.invokeStream(srv, &serverStream{ServerStream: ss, call: call, chain: c}, handler)
	c.streams.Add(-1)
	if m.exempt && c.draining.Err() != nil {
		err = errDraining
	}
	return c.finish(call, err)
}

func (c *chain) invokeStream(srv any, ss *serverStream, handler grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return handler(srv, ss)
}

// serverStream gives the handler the call's context, keeps to its deadline and validates what arrives.
type serverStream struct {
	grpc.ServerStream
	call  *call
	chain *chain
}

func (s *serverStream) Context() context.Context { return s.call }

func (s *serverStream) RecvMsg(m any) error {
	if err := s.within(func() error { return s.ServerStream.RecvMsg(m) }); err != nil {
		return err
	}
	if s.chain.validate == nil {
		return nil
	}
	return s.chain.check(m)
}

func (s *serverStream) SendMsg(m any) error {
	return s.within(func() error { return s.ServerStream.SendMsg(m) })
}

// within does what waits for the client, and waits no longer than the stream may live: grpc's own calls know the
// connection's context only. What is given up ends when the handler returns, for then grpc ends the stream.
func (s *serverStream) within(wait func() error) error {
	if s.chain.streamTimeout <= 0 {
		return wait()
	}
	if err := s.call.Err(); err != nil { // nor may it meet what was given up before
		return err
	}
	done := make(chan error, 1)
	go func() { done <- wait() }()
	select {
	case err := <-done:
		return err
	case <-s.call.Done():
		return s.call.Err()
	}
}

// enter takes a place among the calls being served. Health checks always find one: an overloaded server is
// not a dead one.
func (c *chain) enter(n *atomic.Int64, limit int64, m *method) bool {
	if n.Add(1) > limit && !m.exempt {
		n.Add(-1)
		return false
	}
	return true
}

// check validates a request. What it reports is the caller's own input, so it may be told.
func (c *chain) check(req any) error {
	msg, ok := req.(proto.Message)
	if !ok {
		return nil
	}
	if err := c.validate(msg); err != nil {
		return &invalidError{err: err}
	}
	return nil
}

// finish turns the handler's error into what the client sees, ends the span, measures and logs.
func (c *chain) finish(call *call, err error) error {
	code, shown := c.translate(call, err)
	elapsed := c.now().Sub(call.start)
	call.endSpan(code)
	c.duration.Record(call, elapsed.Seconds(), call.method.record(code)...)
	c.access(call, code, elapsed, err)
	return shown
}

// access writes one line for a call: method, code, time and ids, and never what was in it. The ids come from
// the logger's handler, which adds them to every line of a call.
func (c *chain) access(call *call, code codes.Code, elapsed time.Duration, err error) {
	level := levelOf(code)
	if call.method.exempt && level < slog.LevelError {
		level = slog.LevelDebug
	}
	if !c.log.Enabled(call, level) {
		return
	}
	// Not through the logger: it would walk the stack for a line that is always this one.
	line := slog.NewRecord(call.start.Add(elapsed), level, "call", 0)
	line.AddAttrs(slog.String("method", call.method.name), slog.String("code", codeName(code)),
		slog.Int64("duration_us", elapsed.Microseconds()))
	if p, ok := errors.AsType[*panicError](err); ok {
		line.AddAttrs(slog.Any("error", err), slog.String("stack", string(p.stack)))
	} else if err != nil {
		text := err.Error()
		if st, ok := err.(interface{ GRPCStatus() *status.Status }); ok && st.GRPCStatus().Code() == code {
			text = st.GRPCStatus().Message() // its Error repeats the code
		}
		line.AddAttrs(slog.String("error", text))
	}
	_ = c.log.Handler().Handle(call, line) // as the logger does
}

// levelOf is how loud a call's end is: an error when the service is at fault, a warning when it or something
// it needs is out of reach, and nothing special when the client is.
func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return slog.LevelError
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// panicError is a panic of a handler.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// invalidError is a request that breaks the rules of its proto.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }
