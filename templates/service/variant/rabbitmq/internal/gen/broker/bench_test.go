package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/test/rig"
)

// BenchmarkPublish compares Publish, one message in flight per key as the relay does it, with raw twins: a sliding
// window of deferred confirms on one channel, without returns or reconnects. "raw" sends the same messages, "bare" the
// payload alone, without CloudEvents headers.
func BenchmarkPublish(b *testing.B) {
	url := rig.RabbitMQ(b)
	const size, window = 500, 256
	for _, kind := range []string{"quorum", "classic"} {
		topicOf := func(b *testing.B) string {
			topic := rig.Unique("bench")
			listen(b, url, topic, amqp.Table{"x-queue-type": kind})
			return topic
		}
		b.Run(kind+"/svcgen", func(b *testing.B) {
			topic := topicOf(b)
			broker, err := Open(b.Context(), config(url), testSource, slog.New(slog.DiscardHandler))
			must(b, err)
			b.Cleanup(func() { must(b, broker.Close(context.Background())) })
			must(b, publish(b, broker, message(topic, "warm")))
			drive(b, window, func(key string, done func(error)) {
				m := message(topic, key)
				m.ID, m.Payload = uuid.New(), make([]byte, size)
				broker.Publish(context.Background(), m, done)
			})
		})
		for _, twin := range []string{"raw", "bare"} {
			b.Run(kind+"/"+twin, func(b *testing.B) {
				topic := topicOf(b)
				benchRaw(b, url, window, func() (string, amqp.Publishing) {
					m := message(topic, "k")
					m.ID, m.Payload = uuid.New(), make([]byte, size)
					if twin == "raw" {
						return topic, publishing(m, testSource)
					}
					return topic, amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: m.ID.String(), Body: m.Payload}
				})
			})
		}
	}
}

func benchRaw(b *testing.B, url string, window int, next func() (string, amqp.Publishing)) {
	b.Helper()
	ch, err := raw(b, url).Channel()
	must(b, err)
	must(b, ch.Confirm(false))
	flight := make(chan *amqp.DeferredConfirmation, window)
	var settled sync.WaitGroup
	var failed error
	settled.Go(func() {
		for c := range flight {
			if !c.Wait() {
				failed = errors.New("nack")
			}
		}
	})
	b.ResetTimer()
	for range b.N {
		topic, p := next()
		c, err := ch.PublishWithDeferredConfirm(topic, testType, false, false, p)
		must(b, err)
		flight <- c
	}
	close(flight)
	settled.Wait()
	b.StopTimer()
	must(b, failed)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
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
