package rpc

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
)

// BenchmarkUnary compares a bare grpc-go server with this package's. Client and pipe are in both figures: the
// difference is what the chain and the options cost.
func BenchmarkUnary(b *testing.B) {
	text := strings.Repeat("x", 1024)
	impl := &notes{get: func(_ context.Context, req *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
		return &samplev1.GetNoteResponse{NoteId: req.GetNoteId(), Text: text}, nil
	}}
	for _, bm := range []struct {
		name     string
		deadline bool
		chain    bool
		traced   bool
		parent   string
	}{
		{name: "bare", deadline: true},
		{name: "chain", deadline: true, chain: true},
		{name: "bare without deadline"},
		{name: "chain without deadline", chain: true},
		{name: "chain, tracing, root", deadline: true, chain: true, traced: true},
		{name: "chain, tracing, parent dropped", deadline: true, chain: true, traced: true, parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			client := startBare(b, impl)
			if bm.chain {
				cfg := testConfig()
				cfg.Timeout = 10 * time.Second
				_, client, _ = start(b, cfg, observed(b, bm.traced), impl)
			}
			ctx := b.Context()
			if bm.deadline {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Hour)
				defer cancel()
			}
			if bm.parent != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", bm.parent)
			}
			req := &samplev1.GetNoteRequest{NoteId: strings.Repeat("n", 1024)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.GetNote(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// startBare serves impl with grpc-go as it comes.
func startBare(b *testing.B, impl *notes) samplev1.NoteServiceClient {
	b.Helper()
	s := grpc.NewServer()
	samplev1.RegisterNoteServiceServer(s, impl)
	lis := bufconn.Listen(1 << 20)
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	conn := connect(b, lis)
	b.Cleanup(func() {
		if err := conn.Close(); err != nil {
			b.Error(err)
		}
		s.Stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return samplev1.NewNoteServiceClient(conn)
}

// observed has logs, metrics and traces switched on as in production.
func observed(b *testing.B, traced bool) Options {
	b.Helper()
	exporter, err := promexporter.New(promexporter.WithRegisterer(prometheus.NewRegistry()))
	if err != nil {
		b.Fatal(err)
	}
	opts := Options{
		Log:   telemetry.NewLogger(io.Discard, slog.LevelInfo, false, RequestID),
		Meter: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)),
	}
	if traced {
		opts.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSampler(
			sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01)))).Tracer("rpc")
	}
	return opts
}
