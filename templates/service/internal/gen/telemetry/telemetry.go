// Package telemetry makes the service observable: structured logs, metrics for Prometheus, and traces.
//
// In: a Config and where to write. Out: a logger, a meter provider with the HTTP handler that serves its
// metrics, and a tracer, which is nil unless an OpenTelemetry collector is configured. It sets no global state
// and measures nothing itself: the packages that do get these passed in.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config is what an operator may change. The collector is set by OpenTelemetry's own variables, of which
// OTEL_EXPORTER_OTLP_ENDPOINT switches tracing on.
type Config struct {
	LogLevel    slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat   string     `env:"LOG_FORMAT" envDefault:"auto" help:"text, json, or auto: text on a terminal"`
	TraceSample float64    `env:"TRACE_SAMPLE" envDefault:"0.01" help:"share of traces begun here that are recorded, 0 to 1"`
}

// Check reports every value that makes no sense.
func (c Config) Check(bad func(key, problem string)) {
	switch c.LogFormat {
	case "auto", "text", "json":
	default:
		bad("LOG_FORMAT", fmt.Sprintf("%q is none of text, json, auto", c.LogFormat))
	}
	if c.TraceSample < 0 || c.TraceSample > 1 {
		bad("TRACE_SAMPLE", "must be between 0 and 1")
	}
}

// Telemetry holds the providers of one process.
type Telemetry struct {
	Meter   metric.MeterProvider
	Tracer  trace.TracerProvider // nil: tracing is off
	Metrics http.Handler         // Prometheus scrapes it

	stop []func(context.Context) error
}

// New makes the providers for the service name at version. A collector that cannot be reached is no error.
func New(ctx context.Context, cfg Config, name, version string) (*Telemetry, error) {
	res := resource.NewSchemaless(attribute.String("service.name", name), attribute.String("service.version", version))
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register runtime metrics: %w", err)
		}
	}
	exporter, err := promexporter.New(promexporter.WithRegisterer(registry))
	if err != nil {
		return nil, fmt.Errorf("make Prometheus exporter: %w", err)
	}
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res))
	t := &Telemetry{
		Meter:   meter,
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		stop:    []func(context.Context) error{meter.Shutdown},
	}
	if !collectorSet() {
		return t, nil
	}
	spans, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make trace exporter: %w", err), t.Shutdown(ctx))
	}
	tracer := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.TraceSample))))
	t.Tracer = tracer
	t.stop = append(t.stop, tracer.Shutdown)
	return t, nil
}

// Shutdown sends what is left.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stop := range t.stop {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}

// collectorSet reports whether the environment names a collector. Without one the exporter would fall back to
// localhost and report errors for ever.
func collectorSet() bool {
	if os.Getenv("OTEL_TRACES_EXPORTER") == "none" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}
