package telemetry

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type idKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

func TestLogLines(t *testing.T) {
	traceID := trace.TraceID{0x0a, 0xf7}
	ctx := context.WithValue(t.Context(), idKey{}, "r-1")
	traced := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{1}}))
	tests := []struct {
		name string
		text bool
		log  func(*slog.Logger)
		want []string
		not  []string
	}{
		{"no call", false, func(l *slog.Logger) { l.InfoContext(t.Context(), "m") }, []string{`"msg":"m"`}, []string{"request_id", "trace_id"}},
		{"call", false, func(l *slog.Logger) { l.InfoContext(ctx, "m") }, []string{`"request_id":"r-1"`}, []string{"trace_id"}},
		{"traced call", false, func(l *slog.Logger) { l.InfoContext(traced, "m") }, []string{`"request_id":"r-1"`, traceID.String()}, nil},
		{"with attributes", false, func(l *slog.Logger) { l.With("a", 1).InfoContext(ctx, "m") }, []string{`"a":1`, `"request_id":"r-1"`}, nil},
		{"text", true, func(l *slog.Logger) { l.InfoContext(ctx, "m") }, []string{"msg=m request_id=r-1"}, nil},
		{"below the level", false, func(l *slog.Logger) { l.DebugContext(ctx, "hidden") }, nil, []string{"hidden"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.log(NewLogger(&out, slog.LevelInfo, tt.text, requestID))
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in %s", want, out.String())
				}
			}
			for _, not := range tt.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q in %s", not, out.String())
				}
			}
		})
	}
}

func TestLastErrors(t *testing.T) {
	log, last := Keep(slog.New(slog.DiscardHandler), 2)
	log.Info("fine")
	log.Warn("odd")
	for _, m := range []string{"one", "two", "three"} {
		log.With("part", "x").Error(m, slog.Any("error", errors.New("why "+m)))
	}
	got := last.List()
	if len(got) != 2 || got[0].Message != "three" || got[0].Detail != "why three" || got[1].Message != "two" {
		t.Errorf("kept %+v, want three and two", got)
	}
}

func TestMetricsPage(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	tel, err := New(t.Context(), Config{}, "notes", "v1")
	if err != nil {
		t.Fatal(err)
	}
	if tel.Tracer != nil {
		t.Error("tracing is on without a collector")
	}
	counter, err := tel.Meter.Meter("test").Int64Counter("test.things")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3)
	page := httptest.NewRecorder()
	tel.Metrics.ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for _, want := range []string{"test_things_total{", "go_goroutines", `service_name="notes"`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCollectorDown names a collector that is not there: the service starts and stops all the same.
func TestCollectorDown(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
	tel, err := New(t.Context(), Config{TraceSample: 1}, "notes", "v1")
	if err != nil {
		t.Fatal(err)
	}
	if tel.Tracer == nil {
		t.Fatal("tracing is off with a collector")
	}
	_, span := tel.Tracer.Tracer("test").Start(t.Context(), "work")
	span.End()
	_ = tel.Shutdown(t.Context()) // it cannot deliver, and must come back
}
