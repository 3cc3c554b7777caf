package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/tap"
)

// sink is a raw consumer that keeps all it gets.
type sink struct {
	example  *example
	numbered string // the event field in which a load sends its numbers

	mu       sync.Mutex
	messages []tap.Message
}

func (p *sink) add(m tap.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, m)
}

// of returns the events of a load, by the keys it used, in the order they arrived.
func (p *sink) of(keys map[string]int) []history.Record {
	p.mu.Lock()
	messages := p.messages // only ever appended to; decoding them under the lock would keep the next ones out
	p.mu.Unlock()
	var events []history.Record
	for _, m := range messages {
		if _, ok := keys[m.Key]; !ok {
			continue
		}
		ev, err := p.example.Decode(m.Type, m.Body)
		if err != nil {
			continue // then it is missing
		}
		if seq, err := strconv.Atoi(field(ev, p.numbered)); err == nil {
			events = append(events, history.Record{Kind: history.Tap, Op: operation(m.Key, seq), Key: m.Key, Version: int64(seq)})
		}
	}
	return events
}

// await returns the first message with the key.
func (p *sink) await(t *testing.T, key string) tap.Message {
	t.Helper()
	var found tap.Message
	eventually(t, patience, "an event with the key "+key+" arrives", func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, m := range p.messages {
			if m.Key == key {
				found = m
				return nil
			}
		}
		return fmt.Errorf("%d others did", len(p.messages))
	})
	return found
}

const partitions = 6

// quickToRead is for a service under load. A batch is one event mostly, and the reader of lz4, the default, takes memory of 4 MiB
// for each, which the race detector makes tens of milliseconds of: the tap would be minutes late.
const quickToRead = "KAFKA_COMPRESSION=snappy"

// tapKafka creates the topic and reads it from its beginning.
func tapKafka(t *testing.T, e *example, brokers, topic string) *sink {
	t.Helper()
	p := &sink{example: e, numbered: "customer_id"}
	seeds := strings.Split(brokers, ",")
	p.open(t, func(ctx context.Context) (*tap.Tap, error) {
		return tap.Kafka(ctx, seeds, topic, tap.Topic{Partitions: partitions, Replication: 1}, p.add)
	})
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			t.Logf("the topic holds %d events", tap.KafkaSize(ctx, seeds, topic))
		}
	})
	return p
}

// tapRabbitMQ binds a quorum queue to the exchange before anything is published, and reads it.
func tapRabbitMQ(t *testing.T, e *example, url, exchange string) *sink {
	t.Helper()
	p := &sink{example: e, numbered: "payment_id"}
	p.open(t, func(ctx context.Context) (*tap.Tap, error) { return tap.RabbitMQ(ctx, url, exchange, p.add) })
	return p
}

func (p *sink) open(t *testing.T, open func(context.Context) (*tap.Tap, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	opened, err := open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
}
