package event

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

var id = uuid.MustParse("0190f5fe-0000-7000-8000-000000000001")

func TestHeaders(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	full := outbox.Message{ID: id, Topic: "orders", Key: "o-1", Type: "acme.v1.Placed", CreatedAt: at,
		Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Headers: map[string]string{"tenant": "t", "a": "b"}}
	got := Headers(&full, "/svc/orders", Kafka)
	want := []Header{
		{"ce_specversion", "1.0"}, {"ce_id", id.String()}, {"ce_source", "/svc/orders"}, {"ce_type", "acme.v1.Placed"},
		{"ce_time", "2026-01-02T03:04:05.6Z"}, {"ce_subject", "o-1"}, {"ce_partitionkey", "o-1"}, {"ce_traceparent", full.Traceparent},
		{"content-type", "application/protobuf"}, {"traceparent", full.Traceparent}, {"a", "b"}, {"tenant", "t"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	for _, h := range Headers(&outbox.Message{ID: id, Topic: "orders", Type: "t"}, "s", AMQP) {
		if h.Value == "" {
			t.Errorf("empty attribute %s: CloudEvents allows none", h.Name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, prefix := range []string{Kafka, AMQP} {
		for name, m := range map[string]outbox.Message{
			"full": {ID: id, Topic: "orders", Key: "o-1", Type: "acme.v1.Placed", Payload: []byte{0, 1}, CreatedAt: time.UnixMilli(1_700_000_000_123).UTC(),
				Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Headers: map[string]string{"tenant": "ä"}},
			"bare": {ID: id, Topic: "orders", Type: "acme.v1.Placed"},
		} {
			got, err := Parse(Headers(&m, "/svc/orders", prefix), prefix, m.Topic, "", m.Payload)
			if err != nil {
				t.Errorf("%s%s: %v", prefix, name, err)
				continue
			}
			if want := (Delivery{Message: m, Source: "/svc/orders", Attempt: 1}); !reflect.DeepEqual(got, want) {
				t.Errorf("%s%s: got %+v, want %+v", prefix, name, got, want)
			}
		}
	}
}

func TestParseForeign(t *testing.T) {
	good := []Header{{"ce_specversion", "1.0"}, {"ce_id", id.String()}, {"ce_source", "s"}, {"ce_type", "t"}}
	with := func(h ...Header) []Header { return append(append([]Header(nil), good...), h...) }
	d, err := Parse(with(Header{"traceparent", "00-x"}, Header{"ce_tenant", "a"}, Header{"plain", "b"}), Kafka, "orders", "k", nil)
	if err != nil || d.Key != "k" || d.Traceparent != "00-x" || d.Headers["tenant"] != "a" || d.Headers["plain"] != "b" {
		t.Errorf("got %+v, %v", d, err)
	}
	for name, h := range map[string][]Header{
		"no headers":     nil,
		"no version":     good[1:],
		"other version":  append([]Header{{"ce_specversion", "0.3"}}, good[1:]...),
		"no id":          {good[0], good[2], good[3]},
		"id not a UUID":  {good[0], {"ce_id", "17"}, good[2], good[3]},
		"no type":        good[:3],
		"no source":      {good[0], good[1], good[3]},
		"bad time":       with(Header{"ce_time", "yesterday"}),
		"another prefix": {{"cloudEvents_specversion", "1.0"}},
	} {
		if _, err := Parse(h, Kafka, "orders", "k", nil); !errors.Is(err, ErrNotEvent) {
			t.Errorf("%s: got %v, want ErrNotEvent", name, err)
		}
	}
}
