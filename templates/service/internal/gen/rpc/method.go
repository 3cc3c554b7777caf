package rpc

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
)

// lastCode is the highest code gRPC defines. A handler may return others; they count as UNKNOWN, so that the
// number of time series stays bounded.
const lastCode = codes.Unauthenticated

// method is what the chain knows of a method before any call: its name as metrics and logs show it, and the
// metric attributes for each code it may end with. Building them per call is what makes most instrumentation dear.
type method struct {
	name        string // sample.v1.NoteService/GetNote
	exempt      bool   // health: never shed, quiet in the log
	records     [lastCode + 1][]metric.RecordOption
	spanOptions []trace.SpanStartOption
}

func newMethod(name string) *method {
	system, full := attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", name)
	m := &method{name: name, spanOptions: []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(system, full),
	}}
	for code := range m.records {
		attrs := []attribute.KeyValue{system, full, attribute.String("rpc.response.status_code", codeName(codes.Code(code)))}
		if serverFault(codes.Code(code)) {
			attrs = append(attrs, attribute.String("error.type", codeName(codes.Code(code))))
		}
		m.records[code] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
	}
	return m
}

func (m *method) record(code codes.Code) []metric.RecordOption {
	if code > lastCode {
		code = codes.Unknown
	}
	return m.records[code]
}

// instrument creates the instruments, under the names of OpenTelemetry's semantic conventions.
func (c *chain) instrument(meter metric.Meter) error {
	var err error
	c.duration, err = meter.Float64Histogram("rpc.server.call.duration",
		metric.WithUnit("s"), metric.WithDescription("Time from the arrival of a call to its end."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	if err != nil {
		return fmt.Errorf("create metric: %w", err)
	}
	running, err := meter.Int64ObservableUpDownCounter("rpc.server.in_flight",
		metric.WithDescription("Calls being served."))
	if err != nil {
		return fmt.Errorf("create metric: %w", err)
	}
	unary := metric.WithAttributes(attribute.String("kind", "unary"))
	stream := metric.WithAttributes(attribute.String("kind", "stream"))
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		o.ObserveInt64(running, c.calls.Load(), unary)
		o.ObserveInt64(running, c.streams.Load(), stream)
		return nil
	}, running)
	if err != nil {
		return fmt.Errorf("create metric: %w", err)
	}
	return nil
}

// serverFault reports whether a code tells of a fault of the server, as the semantic conventions see it.
func serverFault(code codes.Code) bool {
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	default:
		return false
	}
}

// codeName is a code as the gRPC specification spells it. grpc-go's own String is in Go's spelling.
func codeName(code codes.Code) string {
	names := [...]string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
		"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
		"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
	if int(code) < len(names) {
		return names[code]
	}
	return "UNKNOWN"
}
