package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// collect renders every data point as name{attributes} → value.
func collect(t *testing.T, reader *sdk.ManualReader) map[string]float64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					out[m.Name] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					out[m.Name] = p.Value
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					reason, _ := p.Attributes.Value("reason")
					out[fmt.Sprint(m.Name, " ", reason.AsString())] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					out[m.Name] += float64(p.Count)
				}
			}
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 3)
		w.cfg.MaxAttempts = 3
		w.sink.bad = bad(Key{"t", "k1"}, 2)
		w.sink.down = func(topic string) bool { return topic == "down" }
		for i := range 10 {
			w.table.commit(Key{"t", fmt.Sprint("k", i%2)})
			w.table.commit(Key{"down", fmt.Sprint("k", i)})
		}
		reader := sdk.NewManualReader()
		provider := sdk.NewMeterProvider(sdk.WithReader(reader))
		c := newClient(w.table, w.d, quiet)
		l := &link{sink: w.sink, d: w.d, f: quiet, wg: &w.wg, inflight: make(map[Key]int)}
		r, err := NewRelay(c, l, w.cfg, slog.New(slog.DiscardHandler), provider.Meter("test"))
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, r)
		time.Sleep(30 * time.Second)
		got := collect(t, reader)
		for name, want := range map[string]float64{
			"outbox.pending": 13, "outbox.dead": 1, "outbox.blocked_keys": 1, "outbox.shards.owned": 3,
			"outbox.delivery.lag": 6, "outbox.publish.errors rejected": 3,
		} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
		if got["outbox.publish.errors outage"] < 5 {
			t.Errorf("%v outages counted", got["outbox.publish.errors outage"])
		}
		if r.breakers()["down"] == closed || r.breakers()["t"] != closed {
			t.Errorf("breakers %v", r.breakers())
		}
		stop()
		if got := collect(t, reader); len(got) > 3 {
			t.Errorf("gauges are still reported after the relay has ended: %v", got)
		}
		w.wg.Wait()
	})
}
