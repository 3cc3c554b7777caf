package rpc

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/prometheus/client_golang/prometheus"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/telemetry"
)

// BenchmarkUnary compares a bare grpc-go server with this package's, client and pipe included in both: the
// difference is what the chain and the options cost.
func BenchmarkUnary(b *testing.B) {
	text := strings.Repeat("x", 1024)
	impl := &notes{get: func(_ context.Context, req *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
		return &samplev1.GetNoteResponse{NoteId: req.GetNoteId(), Text: text}, nil
	}}
	b.Run("bare", func(b *testing.B) {
		s := grpc.NewServer()
		samplev1.RegisterNoteServiceServer(s, impl)
		lis := bufconn.Listen(1 << 20)
		done := make(chan error, 1)
		go func() { done <- s.Serve(lis) }()
		conn := connect(b, lis)
		calls(b, samplev1.NewNoteServiceClient(conn), b.Context())
		_ = conn.Close()
		s.Stop()
		<-done
	})
	chain := func(b *testing.B, traced bool, ctx context.Context) {
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
		cfg := testConfig()
		cfg.Timeout = 10 * time.Second
		_, client, _ := start(b, cfg, opts, impl)
		calls(b, client, ctx)
	}
	b.Run("chain", func(b *testing.B) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		chain(b, false, ctx)
	})
	b.Run("chain/no_deadline", func(b *testing.B) { chain(b, false, b.Context()) })
	b.Run("chain/parent_not_sampled", func(b *testing.B) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		chain(b, true, metadata.AppendToOutgoingContext(ctx, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"))
	})
	b.Run("chain/root_1_percent", func(b *testing.B) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		chain(b, true, ctx)
	})
	b.Run("bare/deadline", func(b *testing.B) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
		defer cancel()
		s := grpc.NewServer()
		samplev1.RegisterNoteServiceServer(s, impl)
		lis := bufconn.Listen(1 << 20)
		done := make(chan error, 1)
		go func() { done <- s.Serve(lis) }()
		conn := connect(b, lis)
		calls(b, samplev1.NewNoteServiceClient(conn), ctx)
		_ = conn.Close()
		s.Stop()
		<-done
	})
}

func calls(b *testing.B, client samplev1.NoteServiceClient, ctx context.Context) {
	b.Helper()
	req := &samplev1.GetNoteRequest{NoteId: strings.Repeat("n", 1024)}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if _, err := client.GetNote(ctx, req); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
}
