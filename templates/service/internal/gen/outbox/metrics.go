package outbox

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the relay's instruments. The topic is a label: topics come from the manifest, so there are few.
type metrics struct {
	meter   metric.Meter
	lag     metric.Float64Histogram
	errors  metric.Int64Counter
	lost    metric.Int64Counter
	pending metric.Int64ObservableGauge
	oldest  metric.Float64ObservableGauge
	dead    metric.Int64ObservableGauge
	blocked metric.Int64ObservableGauge
	shards  metric.Int64ObservableGauge
	held    metric.Int64ObservableGauge
	breaker metric.Int64ObservableGauge
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{meter: meter}
	var errs []error
	must := func(err error) { errs = append(errs, err) }
	gauge := func(name, what string) metric.Int64ObservableGauge {
		g, err := meter.Int64ObservableGauge(name, metric.WithDescription(what))
		must(err)
		return g
	}
	counter := func(name, what string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithDescription(what))
		must(err)
		return c
	}
	var err error
	m.lag, err = meter.Float64Histogram("outbox.delivery.lag", metric.WithUnit("s"),
		metric.WithDescription("from the event's transaction to the broker's acceptance; counts the published"),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 600, 3600))
	must(err)
	m.oldest, err = meter.Float64ObservableGauge("outbox.oldest.age", metric.WithUnit("s"),
		metric.WithDescription("age of the oldest event that waits, by the database's clock"))
	must(err)
	m.errors = counter("outbox.publish.errors", "answers of the broker other than acceptance, by reason: outage, rejected")
	m.lost = counter("outbox.lease.lost", "shards that another relay took over")
	m.pending = gauge("outbox.pending", "events that wait")
	m.dead = gauge("outbox.dead", "events the broker refused for good, counted up to 10,000")
	m.blocked = gauge("outbox.blocked_keys", "keys that wait for an operator, counted up to 10,000")
	m.shards = gauge("outbox.shards.owned", "shards this relay publishes")
	m.held = gauge("outbox.held", "rows in this relay's memory")
	m.breaker = gauge("outbox.breaker.state", "0 closed, 1 half-open, 2 open, by topic")
	return m, errors.Join(errs...)
}

// observe reports r's gauges until the returned function is called.
func (m *metrics) observe(r *Relay) (func(), error) {
	reg, err := m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := r.Status()
		o.ObserveInt64(m.pending, s.Stats.Pending)
		o.ObserveFloat64(m.oldest, s.Stats.OldestAge.Seconds())
		o.ObserveInt64(m.dead, s.Stats.Dead)
		o.ObserveInt64(m.blocked, s.Stats.BlockedKeys)
		o.ObserveInt64(m.shards, int64(s.Shards))
		o.ObserveInt64(m.held, int64(s.Held))
		for topic, state := range r.breakers() {
			o.ObserveInt64(m.breaker, int64(state), label(topic))
		}
		return nil
	}, m.pending, m.oldest, m.dead, m.blocked, m.shards, m.held, m.breaker)
	if err != nil {
		return nil, err
	}
	return func() { _ = reg.Unregister() }, nil
}

// breakers is the worst state of each topic's breaker over the lanes.
func (r *Relay) breakers() map[string]breakerState {
	out := make(map[string]breakerState)
	for _, l := range r.lanes {
		if v := l.view.Load(); v != nil {
			for topic, s := range v.states {
				out[topic] = max(out[topic], s)
			}
		}
	}
	return out
}

// label is the topic as an attribute, made once per topic.
func label(topic string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("topic", topic)))
}

func (m *metrics) delivered(topic []metric.RecordOption, lag time.Duration) {
	m.lag.Record(context.Background(), max(lag, 0).Seconds(), topic...)
}

func (m *metrics) publishError(topic, reason string) {
	m.errors.Add(context.Background(), 1, metric.WithAttributes(attribute.String("topic", topic), attribute.String("reason", reason)))
}

func (m *metrics) leasesLost(n int) {
	if n > 0 {
		m.lost.Add(context.Background(), int64(n))
	}
}
