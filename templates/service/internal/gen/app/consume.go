package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// consumer is one consumed event with its handler.
type consumer struct {
	topic     string
	eventType string
	handle    func(context.Context, *store.DB, *broker.Delivery) error
}

// message is a pointer to the struct of a proto message.
type message[T any] interface {
	*T
	proto.Message
}

// consume binds a handler to its topic. The handler runs in a transaction of its own; events it emits leave with
// that transaction.
func consume[T any, M message[T]](topic string, handle func(context.Context, *store.Tx, M) error) consumer {
	name := string(M(new(T)).ProtoReflect().Descriptor().FullName())
	return consumer{topic: topic, eventType: name, handle: func(ctx context.Context, db *store.DB, d *broker.Delivery) error {
		ev := M(new(T))
		if err := proto.Unmarshal(d.Payload, ev); err != nil {
			return fmt.Errorf("unmarshal %s: %w", name, err)
		}
		return db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error { return handle(ctx, tx, ev) })
	}}
}

// inlet is what every consumer needs to take in events.
type inlet struct {
	broker   *broker.Broker
	db       *store.DB
	group    string // of the subscriptions: the service's name, so that its replicas share the events
	timeout  time.Duration
	log      *slog.Logger
	tracer   trace.Tracer // nil: no spans
	duration metric.Float64Histogram
	consumed func(eventType string, err error)
}

func newInlet(meter metric.Meter) (*inlet, error) {
	duration, err := meter.Float64Histogram("messaging.process.duration", metric.WithUnit("s"),
		metric.WithDescription("Time a handler of an event took, its transaction included."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	if err != nil {
		return nil, fmt.Errorf("create metric: %w", err)
	}
	return &inlet{duration: duration}, nil
}

// subscribe hands events to the consumer until ctx is done.
func (in *inlet) subscribe(ctx context.Context, c consumer) error {
	sub := broker.Subscription{Topic: c.topic, Group: in.group, Type: c.eventType}
	err := in.broker.Subscribe(ctx, sub, func(ctx context.Context, d *broker.Delivery) error { return in.take(ctx, c, d) })
	if err != nil {
		return fmt.Errorf("consume %s from %s: %w", c.eventType, c.topic, err)
	}
	return nil
}

// stuckAfter is how long after its deadline a handler that still runs is named in the log: it holds up all that is behind.
const stuckAfter = 5 * time.Second

// take runs the handler for one event, as part of the trace that emitted it, measures and logs.
func (in *inlet) take(ctx context.Context, c consumer, d *broker.Delivery) error {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": d.Traceparent})
	destination := attribute.String("messaging.destination.name", c.topic)
	eventType := attribute.String("event.type", c.eventType)
	var span trace.Span
	if parent := trace.SpanContextFromContext(ctx); in.tracer != nil && (!parent.IsValid() || parent.IsSampled()) {
		ctx, span = in.tracer.Start(ctx, "process "+c.topic, trace.WithSpanKind(trace.SpanKindConsumer),
			trace.WithAttributes(destination, eventType, attribute.String("messaging.message.id", d.ID.String())))
		defer span.End()
	}
	start := time.Now()
	err := in.call(ctx, c, d)
	took := time.Since(start)
	attrs := []attribute.KeyValue{destination, eventType}
	if err != nil {
		attrs = append(attrs, attribute.String("error.type", "handler"))
		if span != nil {
			span.SetStatus(codes.Error, "")
		}
	}
	in.duration.Record(ctx, took.Seconds(), metric.WithAttributes(attrs...))
	in.report(ctx, d, took, err)
	in.consumed(c.eventType, err)
	return err
}

// call runs the handler with its deadline. One that does not heed its context cannot be ended, only named.
func (in *inlet) call(ctx context.Context, c consumer, d *broker.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, in.timeout)
	defer cancel()
	stuck := time.AfterFunc(in.timeout+stuckAfter, func() {
		in.log.ErrorContext(ctx, "event handler does not heed its deadline", slog.String("type", d.Type), slog.String("topic", d.Topic),
			slog.String("id", d.ID.String()))
	})
	defer stuck.Stop()
	err := event.Call(ctx, in.log, d, func(ctx context.Context, d *broker.Delivery) error { return c.handle(ctx, in.db, d) })
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("not done within EVENT_TIMEOUT, %v: %w", in.timeout, err)
	}
	return err
}

// report writes one line for an event, without its data.
func (in *inlet) report(ctx context.Context, d *broker.Delivery, took time.Duration, err error) {
	args := []slog.Attr{
		slog.String("type", d.Type), slog.String("topic", d.Topic), slog.String("id", d.ID.String()),
		slog.Int("attempt", d.Attempt), slog.Int64("duration_us", took.Microseconds()),
	}
	if err != nil {
		in.log.LogAttrs(ctx, slog.LevelError, "event not taken", append(args, slog.Any("error", err))...)
		return
	}
	in.log.LogAttrs(ctx, slog.LevelInfo, "event", args...)
}
