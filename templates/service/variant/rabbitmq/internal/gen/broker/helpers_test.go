package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

const (
	testSource = "/svc/sample"
	testType   = "acme.orders.v1.OrderPlaced"
	patience   = 60 * time.Second // of a test that waits for what must come; a loaded machine is slow
	restart    = 4 * time.Minute  // of a test that waits for a server that is started meanwhile, for which the rig takes three
)

// config is the production default, with times fit for a test, and a timeout that a loaded machine keeps.
func config(url string) Config {
	return Config{
		URL: url, Window: 256, Timeout: 20 * time.Second, Heartbeat: 10 * time.Second, Declare: true, Mandatory: true,
		Prefetch: 64, Lanes: 8, Grace: time.Second, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}
}

// hasty is config for a test in which answers do not come: of what it publishes an outage is an outcome like any other.
func hasty(url string) Config {
	cfg := config(url)
	cfg.Timeout, cfg.Heartbeat = 3*time.Second, 2*time.Second
	return cfg
}

// open opens a broker that the test closes, at the latest at its end.
func open(t testing.TB, cfg Config) *Broker {
	t.Helper()
	b, err := Open(t.Context(), cfg, testSource, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

// testWriter sends the log to the test that is running.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

func message(topic, key string) *outbox.Message {
	return &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Topic: topic, Key: key, Type: testType, Payload: []byte("payload of " + key),
		CreatedAt: time.Date(2026, 11, 22, 10, 20, 30, 0, time.UTC),
	}
}

// publish waits for the outcome of one message.
func publish(t testing.TB, b *Broker, m *outbox.Message) error {
	t.Helper()
	return <-begin(t, b, m)
}

// begin hands a message over and returns where its outcome will be.
func begin(t testing.TB, b *Broker, m *outbox.Message) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	outcome := make(chan error, 2) // room for a second call, which would be an error
	var once sync.Once
	b.Publish(ctx, m, func(err error) {
		once.Do(cancel)
		outcome <- err
	})
	return outcome
}

// resend does what the relay does: it sends the message until the broker takes it.
func resend(t testing.TB, b *Broker, m *outbox.Message) (tries int) {
	t.Helper()
	tries, err := tryResend(t, b, m)
	must(t, err)
	return tries
}

// tryResend is resend for goroutines that may not end the test.
func tryResend(t testing.TB, b *Broker, m *outbox.Message) (tries int, err error) {
	deadline := time.Now().Add(restart)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tries++
		if err = publish(t, b, m); err == nil {
			return tries, nil
		}
		if time.Now().After(deadline) {
			return tries, fmt.Errorf("the broker does not take %s: %w", m.ID, err)
		}
		<-tick.C
	}
}

func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

// tap is a queue of the test's own behind an exchange, read by a raw consumer.
type tap struct {
	t          testing.TB
	queue      string
	ch         *amqp.Channel
	deliveries <-chan amqp.Delivery
}

// raw opens a connection that has nothing of the code under test.
func raw(t testing.TB, url string) *amqp.Connection {
	t.Helper()
	var conn *amqp.Connection
	eventually(t, "raw connection", func() (err error) {
		conn, err = amqp.Dial(url)
		return err
	})
	t.Cleanup(func() { _ = conn.Close() }) // the server may be gone
	return conn
}

// listen binds a quorum queue to topic; args may say more of it.
func listen(t testing.TB, url, topic string, args amqp.Table) *tap {
	t.Helper()
	ch, err := raw(t, url).Channel()
	must(t, err)
	must(t, ch.ExchangeDeclare(topic, "topic", true, false, false, false, nil))
	table := amqp.Table{"x-queue-type": "quorum"}
	maps.Copy(table, args)
	q, err := ch.QueueDeclare(rig.Unique("tap"), true, false, false, false, table)
	must(t, err)
	must(t, ch.QueueBind(q.Name, "#", topic, false, nil))
	tp := &tap{t: t, queue: q.Name, ch: ch}
	t.Cleanup(func() {
		if c, err := amqp.Dial(url); err == nil {
			defer func() { _ = c.Close() }()
			if ch, err := c.Channel(); err == nil {
				_, _ = ch.QueueDelete(q.Name, false, false, false)
				_ = ch.ExchangeDelete(topic, false, false)
			}
		}
	})
	return tp
}

func (p *tap) start() {
	p.t.Helper()
	if p.deliveries == nil {
		var err error
		p.deliveries, err = p.ch.Consume(p.queue, "", true, false, false, false, nil)
		must(p.t, err)
	}
}

func (p *tap) next() amqp.Delivery {
	p.t.Helper()
	p.start()
	select {
	case d, ok := <-p.deliveries:
		if !ok {
			p.t.Fatal("the tap was closed")
		}
		return d
	case <-time.After(patience):
		p.t.Fatal("the tap saw nothing")
	}
	return amqp.Delivery{}
}

// through reads until it has seen a message of id last, and counts the messages by id.
func (p *tap) through(last string) map[string]int {
	p.t.Helper()
	seen := map[string]int{}
	for seen[last] == 0 {
		seen[p.next().MessageId]++
	}
	return seen
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantOutage fails unless err is one that the relay takes as an outage: no attempt is counted.
func wantOutage(t testing.TB, err error) {
	t.Helper()
	if err == nil || outbox.IsRejection(err) {
		t.Fatalf("outcome %v, want an error that is no rejection", err)
	}
}

func wantRejection(t testing.TB, err error) {
	t.Helper()
	if !outbox.IsRejection(err) {
		t.Fatalf("outcome %v, want a rejection", err)
	}
}

// await is the outcome of a message handed over before.
func await(t testing.TB, outcome <-chan error) error {
	t.Helper()
	select {
	case err := <-outcome:
		return err
	case <-time.After(patience):
		t.Fatal("done was not called")
		return nil
	}
}

func connected(t testing.TB, b *Broker) {
	t.Helper()
	eventually(t, "the broker is connected", b.Status)
}

func disconnected(t testing.TB, b *Broker) {
	t.Helper()
	eventually(t, "the loss is noticed", func() error {
		if b.Status() == nil {
			return errors.New("status is still fine")
		}
		return nil
	})
}

func keyOf(i int) string { return fmt.Sprintf("key-%d", i) }
