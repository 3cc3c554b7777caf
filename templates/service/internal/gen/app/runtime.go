package app

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/svcgen/svcgen/templates/service/internal/gen/events"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// Runtime is what the service offers to the code that makes its dependencies.
type Runtime struct {
	DB     *store.DB
	Events *events.Events
	Log    *slog.Logger
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider // one that does nothing when tracing is off

	stop   []func(context.Context) error
	server []grpc.ServerOption
}

// OnStop registers f to be called when no call and no event handler runs any more, in the reverse order of
// registration. Its context ends when the service can wait no longer.
func (rt *Runtime) OnStop(f func(context.Context) error) { rt.stop = append(rt.stop, f) }

// ServerOptions adds options to the gRPC server, such as interceptors. Interceptors run inside the service's own,
// so they see the request id and the deadline, and a panic in them is recovered.
func (rt *Runtime) ServerOptions(opts ...grpc.ServerOption) { rt.server = append(rt.server, opts...) }
