package broker

import (
	"context"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

func TestPublishedMessageIsACloudEvent(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("orders")
	tp := listen(t, url, topic, nil)
	b := open(t, config(url))
	m := message(topic, "order-7")
	m.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	m.Headers = map[string]string{"tenant": "acme"}
	must(t, publish(t, b, m))

	d := tp.next()
	want := map[string]string{
		"cloudEvents_specversion":  "1.0",
		"cloudEvents_id":           m.ID.String(),
		"cloudEvents_source":       testSource,
		"cloudEvents_type":         testType,
		"cloudEvents_time":         "2026-11-22T10:20:30Z",
		"cloudEvents_subject":      "order-7",
		"cloudEvents_partitionkey": "order-7",
		"cloudEvents_traceparent":  m.Traceparent,
		"traceparent":              m.Traceparent,
		"tenant":                   "acme",
	}
	for name, value := range want {
		if d.Headers[name] != value {
			t.Errorf("header %s is %v, want %q", name, d.Headers[name], value)
		}
	}
	if len(d.Headers) != len(want) {
		t.Errorf("headers %v, want %d of them", d.Headers, len(want))
	}
	got := fmt.Sprint(d.Exchange == topic, d.RoutingKey, d.ContentType, d.DeliveryMode, d.MessageId == m.ID.String(), d.Type, d.AppId, d.Timestamp.UTC(), string(d.Body))
	if want := fmt.Sprint(true, testType, "application/protobuf", amqp.Persistent, true, testType, testSource, m.CreatedAt, "payload of order-7"); got != want {
		t.Errorf("properties %s, want %s", got, want)
	}
}

// TestRefusals: what the broker refuses for itself is a rejection, and everything in flight around it is accepted.
func TestRefusals(t *testing.T) {
	url, topic, deaf := rig.RabbitMQ(t), rig.Unique("orders"), rig.Unique("deaf")
	tp := listen(t, url, topic, nil)
	b := open(t, config(url))
	long := strings.Repeat("x", 256)
	for _, tt := range []struct {
		name string
		bad  func(*outbox.Message)
	}{
		{"no queue bound", func(m *outbox.Message) { m.Topic = deaf }},
		{"no topic", func(m *outbox.Message) { m.Topic = "" }},
		{"no type", func(m *outbox.Message) { m.Type = "" }},
		{"long topic", func(m *outbox.Message) { m.Topic = long }},
		{"long type", func(m *outbox.Message) { m.Type = long }},
		{"long header name", func(m *outbox.Message) { m.Headers = map[string]string{long: "v"} }},
		{"huge", func(m *outbox.Message) { m.Payload = make([]byte, maxBody+1) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := message(topic, "bad")
			tt.bad(bad)
			var good []<-chan error
			var outcome <-chan error
			last := ""
			for i := range 100 {
				if i == 50 {
					outcome = begin(t, b, bad)
				}
				m := message(topic, keyOf(i))
				last = m.ID.String()
				good = append(good, begin(t, b, m))
			}
			wantRejection(t, await(t, outcome))
			for _, o := range good {
				must(t, await(t, o))
			}
			if n := len(tp.through(last)); n != 100 {
				t.Errorf("the tap saw %d messages, want 100", n)
			}
		})
	}
	connected(t, b)
}

func TestUnroutableIsDroppedWhereThatIsWanted(t *testing.T) {
	cfg := config(rig.RabbitMQ(t))
	cfg.Mandatory = false
	must(t, publish(t, open(t, cfg), message(rig.Unique("deaf"), "k")))
}

func TestUnroutableIsAcceptedOnceAQueueIsBound(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("orders")
	b := open(t, config(url))
	m := message(topic, "k")
	wantRejection(t, publish(t, b, m))
	listen(t, url, topic, nil)
	must(t, publish(t, b, m))
}

func TestNackIsAnOutage(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("orders")
	listen(t, url, topic, amqp.Table{"x-queue-type": "classic", "x-max-length": int32(1), "x-overflow": "reject-publish"})
	b := open(t, config(url))
	must(t, publish(t, b, message(topic, "fits")))
	err := publish(t, b, message(topic, "does not"))
	wantOutage(t, err)
	if !strings.Contains(err.Error(), "nack") {
		t.Errorf("%v, want it to name the nack", err)
	}
	connected(t, b) // a nack is no reason to reconnect
}

func TestExchangeOfAnotherKindIsUsedAsItIs(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("fanout")
	ch, err := raw(t, url).Channel()
	must(t, err)
	must(t, ch.ExchangeDeclare(topic, "fanout", true, false, false, false, nil))
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	must(t, err)
	must(t, ch.QueueBind(q.Name, "", topic, false, nil))
	must(t, publish(t, open(t, config(url)), message(topic, "k")))
}

func TestMissingExchangeIsAnOutageWhereItMayNotBeDeclared(t *testing.T) {
	cfg := config(rig.RabbitMQ(t))
	cfg.Declare = false
	b := open(t, cfg)
	wantOutage(t, publish(t, b, message(rig.Unique("absent"), "k")))
	connected(t, b)
}

// TestDeletedExchange: a publish to a missing exchange closes the channel under everything in flight.
func TestDeletedExchange(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("orders")
	listen(t, url, topic, nil)
	b := open(t, config(url))
	must(t, publish(t, b, message(topic, "before")))
	ch, err := raw(t, url).Channel()
	must(t, err)
	must(t, ch.ExchangeDelete(topic, false, false))
	wantOutage(t, publish(t, b, message(topic, "k")))
	eventually(t, "the exchange is declared again", func() error {
		if err := publish(t, b, message(topic, "k")); err != nil && !outbox.IsRejection(err) {
			return err
		}
		return nil
	})
}

// TestDeletedQueue: without its queue a message is refused, not lost in silence; with it, publishing goes on.
func TestDeletedQueue(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("orders")
	tp := listen(t, url, topic, nil)
	b := open(t, config(url))
	must(t, publish(t, b, message(topic, "before")))
	_, err := tp.ch.QueueDelete(tp.queue, false, false, false)
	must(t, err)
	m := message(topic, "k")
	wantRejection(t, publish(t, b, m))
	again := listen(t, url, topic, nil)
	must(t, publish(t, b, m))
	if d := again.next(); d.MessageId != m.ID.String() {
		t.Errorf("got %s, want %s", d.MessageId, m.ID)
	}
}

func TestPublishDoesNotOutliveItsContext(t *testing.T) {
	cfg := config("amqp://127.0.0.1:1/") // nobody listens there
	b := open(t, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	outcome := make(chan error, 1)
	b.Publish(ctx, message("t", "k"), func(err error) { outcome <- err })
	wantOutage(t, await(t, outcome))
	disconnected(t, b)
	wantOutage(t, publish(t, b, message("t", "k")))
}

func TestCloseReportsWhatIsInFlight(t *testing.T) {
	url, topic := rig.RabbitMQ(t), rig.Unique("orders")
	tp := listen(t, url, topic, nil)
	tp.start()
	ignore := goleak.IgnoreCurrent()
	b := open(t, config(url))
	var outcomes []<-chan error
	for i := range 200 {
		outcomes = append(outcomes, begin(t, b, message(topic, keyOf(i))))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(t, b.Close(ctx))
	accepted := 0
	for _, o := range outcomes {
		if err := await(t, o); err == nil {
			accepted++
		} else if outbox.IsRejection(err) {
			t.Errorf("%v: closing refuses nothing", err)
		}
	}
	for range accepted { // what was reported as accepted is there
		tp.next()
	}
	for _, o := range outcomes {
		select {
		case err := <-o:
			t.Fatalf("done was called twice, with %v", err)
		default:
		}
	}
	wantOutage(t, publish(t, b, message(topic, "late")))
	must(t, b.Close(ctx))
	goleak.VerifyNone(t, ignore)
}
