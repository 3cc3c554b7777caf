package broker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

const (
	testSource = "/svc/sample"
	testType   = "acme.orders.v1.OrderPlaced"
	patience   = 60 * time.Second // of a test that waits for what must come; a loaded machine is slow
	restart    = 4 * time.Minute  // of a test that waits for a server that is started meanwhile, for which the rig takes three
)

// config is the production default, with times fit for a test, and a timeout that a loaded machine keeps. Of lz4, for which the
// reader takes memory of 4 MiB for each batch, the race detector makes tens of milliseconds.
func config(brokers string) Config {
	return Config{
		Brokers: strings.Split(brokers, ","), Window: 4096, Timeout: 20 * time.Second, Compression: "snappy",
		Partitions: -1, Replication: -1,
		Grace: time.Second, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	}
}

// hasty is config for a test in which answers do not come: of what it publishes an outage is an outcome like any other.
func hasty(brokers string) Config {
	cfg := config(brokers)
	cfg.Timeout = 4 * time.Second
	return cfg
}

// open opens a broker that the test closes, at the latest at its end.
func open(t testing.TB, cfg Config) *Broker {
	t.Helper()
	b, err := Open(t.Context(), cfg, testSource, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(t, b.Close(ctx))
	})
	return b
}

// testWriter sends the log to the test that is running.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b)
	return len(b), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// raw is a client that has nothing of the code under test.
func raw(t testing.TB, brokers string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(brokers, ",")...))...)
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

// newTopic makes a topic; replication -1 is the cluster's default.
func newTopic(t testing.TB, brokers string, partitions int32) string {
	t.Helper()
	name := rig.Unique("orders")
	admin := kadm.NewClient(raw(t, brokers))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := admin.CreateTopic(ctx, partitions, -1, nil, name)
	must(t, err)
	// The answer comes before the nodes know of it.
	eventually(t, "the topic is there", func() error {
		for p := range partitions {
			if _, err := leaderOf(t, brokers, name, p); err != nil {
				return err
			}
		}
		return nil
	})
	return name
}

// leaderOf is the node that leads a partition.
func leaderOf(t testing.TB, brokers, topic string, partition int32) (int32, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	must(t, err)
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	p, there := topics[topic].Partitions[partition]
	if !there || p.Leader < 1 {
		return 0, fmt.Errorf("nobody leads partition %d of %s: %w", partition, topic, p.Err)
	}
	return p.Leader, nil
}

// tap reads a topic from its beginning, with no group.
type tap struct {
	t      testing.TB
	client *kgo.Client
	ready  []*kgo.Record
}

func listen(t testing.TB, brokers, topic string) *tap {
	t.Helper()
	return &tap{t: t, client: raw(t, brokers, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))}
}

func (p *tap) next() *kgo.Record {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for len(p.ready) == 0 {
		p.ready = p.client.PollFetches(ctx).Records()
		if ctx.Err() != nil {
			p.t.Fatal("the tap saw nothing")
		}
	}
	r := p.ready[0]
	p.ready = p.ready[1:]
	return r
}

// through reads until the message with the id.
func (p *tap) through(id uuid.UUID) {
	p.t.Helper()
	for header(p.next(), "ce_id") != id.String() {
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func message(topic, key string) *outbox.Message {
	return &outbox.Message{
		ID: uuid.Must(uuid.NewV7()), Topic: topic, Key: key, Type: testType, Payload: []byte("payload of " + key),
		CreatedAt: time.Date(2026, 11, 22, 10, 20, 30, 0, time.UTC),
	}
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

func publish(t testing.TB, b *Broker, m *outbox.Message) error {
	t.Helper()
	return await(t, begin(t, b, m))
}

// tryResend does what the relay does: it sends the message until the broker takes it.
func tryResend(t testing.TB, b *Broker, m *outbox.Message) (tries int, err error) {
	deadline := time.Now().Add(restart)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tries++
		if err = <-begin(t, b, m); err == nil {
			return tries, nil
		}
		if time.Now().After(deadline) {
			return tries, fmt.Errorf("the broker does not take %s: %w", m.ID, err)
		}
		<-tick.C
	}
}

func resend(t testing.TB, b *Broker, m *outbox.Message) int {
	t.Helper()
	tries, err := tryResend(t, b, m)
	must(t, err)
	return tries
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

func connected(t testing.TB, b *Broker) {
	t.Helper()
	eventually(t, "the broker is connected", b.Status)
}

func nopLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func keyOf(i int) string { return fmt.Sprintf("key-%d", i) }
