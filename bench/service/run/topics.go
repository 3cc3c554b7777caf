package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	emitted "github.com/svcgen/svcgen/templates/service/variant/kafka"
)

const partitions = 6

// topics is a topic for one turn, and a client for whoever publishes without svcgen.
type topics struct {
	brokers []string
	name    string
	client  *kgo.Client
	broker  *emitted.Broker
}

func newKafka(ctx context.Context, brokers []string) (target, error) {
	// As the emitted broker has it, and with its window.
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(4096), kgo.MetadataMinAge(250*time.Millisecond))
	if err != nil {
		return nil, err
	}
	k := &topics{brokers: brokers, name: rig.Unique("bench"), client: client}
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, k.name); err != nil {
		return nil, err
	}
	// A new topic's partitions get their leaders one by one; nobody is to wait for that while time is taken.
	for i := range 20 * partitions {
		m := identified(k.name, i)
		if err := k.one(ctx, &m); err != nil {
			return nil, err
		}
	}
	if k.broker, err = emitted.Open(ctx, brokers, source); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *topics) topic() string               { return k.name }
func (k *topics) publisher() outbox.Publisher { return k.broker }

func (k *topics) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = k.broker.Close(ctx)
	_, _ = kadm.NewClient(k.client).DeleteTopic(ctx, k.name)
	k.client.Close()
}

// record is what the emitted broker sends for m.
func record(m *outbox.Message) *kgo.Record {
	headers := event.Headers(m, source, event.Kafka)
	r := &kgo.Record{Topic: m.Topic, Key: []byte(m.Key), Value: m.Payload, Headers: make([]kgo.RecordHeader, len(headers))}
	for i, h := range headers {
		r.Headers[i] = kgo.RecordHeader{Key: h.Name, Value: []byte(h.Value)}
	}
	return r
}

func (k *topics) raw(ctx context.Context, n int, accepted func()) error {
	var mu sync.Mutex
	var failed error
	for i := range n {
		m := identified(k.name, i)
		k.client.Produce(ctx, record(&m), func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				return
			}
			accepted()
		})
		if ctx.Err() != nil {
			break
		}
	}
	err := k.client.Flush(context.WithoutCancel(ctx))
	mu.Lock()
	defer mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failed, err)
}

func (k *topics) sink() (func(context.Context, []outbox.Message) error, error) {
	return func(ctx context.Context, batch []outbox.Message) error {
		records := make([]*kgo.Record, len(batch))
		for i := range batch {
			records[i] = record(&batch[i])
		}
		return k.client.ProduceSync(ctx, records...).FirstErr()
	}, nil
}

func (k *topics) one(ctx context.Context, m *outbox.Message) error {
	r := record(m)
	r.Topic = k.name
	return k.client.ProduceSync(ctx, r).FirstErr()
}
