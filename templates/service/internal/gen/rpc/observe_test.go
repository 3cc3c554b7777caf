package rpc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	results := []error{nil, nil, status.Error(codes.NotFound, "none"), errors.New("broken"), status.Error(codes.Code(77), "odd")}
	next := 0
	_, client, _ := start(t, testConfig(), Options{Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}, &notes{
		get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
			next++
			return &samplev1.GetNoteResponse{}, results[next-1]
		},
	})
	for range results {
		if _, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{}); err != nil && next == 1 {
			t.Fatal(err)
		}
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			h, ok := m.Data.(metricdata.Histogram[float64])
			if !ok || m.Name != "rpc.server.call.duration" || m.Unit != "s" {
				continue
			}
			for _, p := range h.DataPoints {
				counts[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Count
			}
		}
	}
	const method = "rpc.method=sample.v1.NoteService/GetNote,rpc.response.status_code="
	want := map[string]uint64{
		method + "OK,rpc.system.name=grpc":                                2,
		method + "NOT_FOUND,rpc.system.name=grpc":                         1,
		"error.type=INTERNAL," + method + "INTERNAL,rpc.system.name=grpc": 1,
		"error.type=UNKNOWN," + method + "UNKNOWN,rpc.system.name=grpc":   1,
	}
	for attrs, n := range want {
		if counts[attrs] != n {
			t.Errorf("%s: %d calls, want %d", attrs, counts[attrs], n)
		}
	}
	if len(counts) != len(want) {
		t.Errorf("series %v, want %v", counts, want)
	}
}

// TestTrace checks when a span is made and which trace the handler, and so the events it emits, belong to.
func TestTrace(t *testing.T) {
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	const sampled, dropped = "00-" + traceID + "-b7ad6b7169203331-01", "00-" + traceID + "-b7ad6b7169203331-00"
	tests := []struct {
		name   string
		tracer bool
		parent string
		spans  int
		joined bool // the handler's context carries the parent's trace
	}{
		{"off, no parent", false, "", 0, false},
		{"off, parent", false, sampled, 0, true},
		{"on, no parent", true, "", 1, false},
		{"on, sampled parent", true, sampled, 1, true},
		{"on, dropped parent", true, dropped, 0, true},
		{"on, broken parent", true, "00-zz", 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spans := tracetest.NewSpanRecorder()
			opts := Options{}
			if tt.tracer {
				opts.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("rpc")
			}
			var seen trace.SpanContext
			_, client, _ := start(t, testConfig(), opts, &notes{
				get: func(ctx context.Context, _ *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
					seen = trace.SpanContextFromContext(ctx)
					return nil, errors.New("broken")
				},
			})
			ctx := t.Context()
			if tt.parent != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", tt.parent)
			}
			if _, err := client.GetNote(ctx, &samplev1.GetNoteRequest{}); status.Code(err) != codes.Internal {
				t.Fatal(err)
			}
			if got := seen.TraceID().String() == traceID; got != tt.joined {
				t.Errorf("the handler is in trace %v; joined: %v, want %v", seen.TraceID(), got, tt.joined)
			}
			ended := spans.Ended()
			if len(ended) != tt.spans {
				t.Fatalf("%d spans, want %d", len(ended), tt.spans)
			}
			for _, s := range ended {
				if s.Name() != "sample.v1.NoteService/GetNote" || s.SpanKind() != trace.SpanKindServer || strings.Contains(s.Status().Description, "broken") {
					t.Errorf("span %q, %v, %v", s.Name(), s.SpanKind(), s.Status())
				}
			}
		})
	}
}
