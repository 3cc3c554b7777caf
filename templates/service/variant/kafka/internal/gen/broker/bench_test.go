package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/svcgen/svcgen/test/rig"
)

// BenchmarkPublish compares Publish, one message in flight per key as the relay does it, with raw twins: records
// handed to franz-go with nothing around it. "raw" sends the same records, "bare" the payload alone, without CloudEvents
// headers.
func BenchmarkPublish(b *testing.B) {
	brokers := rig.Kafka(b)
	const size = 500
	for _, keys := range []int{64, 1024} {
		b.Run(fmt.Sprintf("svcgen/keys=%d", keys), func(b *testing.B) {
			topic := newTopic(b, brokers, 4)
			broker, err := Open(b.Context(), config(brokers), testSource, nopLog())
			must(b, err)
			b.Cleanup(func() { must(b, broker.Close(context.Background())) })
			m := message(topic, "warm")
			must(b, publish(b, broker, m))
			drive(b, keys, func(key string, done func(error)) {
				m := message(topic, key)
				m.ID, m.Payload = uuid.New(), make([]byte, size)
				broker.Publish(context.Background(), m, done)
			})
		})
	}
	for _, twin := range []string{"raw", "bare"} {
		b.Run(twin, func(b *testing.B) {
			topic := newTopic(b, brokers, 4)
			client := raw(b, brokers, kgo.ProducerLinger(0), kgo.RequiredAcks(kgo.AllISRAcks()))
			must(b, client.ProduceSync(b.Context(), &kgo.Record{Topic: topic}).FirstErr())
			drive(b, 1024, func(key string, done func(error)) {
				m := message(topic, key)
				m.ID, m.Payload = uuid.New(), make([]byte, size)
				r := &kgo.Record{Topic: topic, Key: []byte(key), Value: m.Payload}
				if twin == "raw" {
					r = record(m, testSource)
				}
				client.Produce(context.Background(), r, func(_ *kgo.Record, err error) { done(err) })
			})
		})
	}
}

// drive keeps one message of each key in flight until b.N are done.
func drive(b *testing.B, keys int, send func(key string, done func(error))) {
	b.Helper()
	free := make(chan string, keys)
	for k := range keys {
		free <- keyOf(k)
	}
	var pending sync.WaitGroup
	var failed error
	var once sync.Once
	b.ResetTimer()
	for range b.N {
		key := <-free
		pending.Add(1)
		send(key, func(err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
			free <- key
			pending.Done()
		})
	}
	pending.Wait()
	b.StopTimer()
	must(b, failed)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
