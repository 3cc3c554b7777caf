// Package tap is raw consumers: clients of the brokers' own kinds, with nothing of svcgen's in them, that report all they
// get and survive the broker's end.
package tap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Message is what a consumer got.
type Message struct {
	Key     string
	Type    string
	ID      string
	Body    []byte
	Headers map[string]string
}

// Tap reads until it is closed.
type Tap struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	end    func()
}

// Close ends it and returns when no message is reported any more.
func (p *Tap) Close() {
	p.cancel()
	p.done.Wait()
	if p.end != nil {
		p.end()
	}
}

// Topic is how Kafka makes a topic.
type Topic struct {
	Partitions  int32
	Replication int16
}

// Kafka creates the topic unless it is there and reads it from now on, from its beginning when it is new.
func Kafka(ctx context.Context, brokers []string, name string, topic Topic, each func(Message)) (*Tap, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	admin := kadm.NewClient(client)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := admin.CreateTopic(ctx, topic.Partitions, topic.Replication, nil, name)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			break
		}
		select {
		case <-ctx.Done():
			client.Close()
			return nil, fmt.Errorf("create topic %s: %w", name, err)
		case <-tick.C:
		}
	}
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Tap{cancel: cancel, end: client.Close}
	p.done.Go(func() {
		for reading.Err() == nil {
			client.PollFetches(reading).EachRecord(func(r *kgo.Record) {
				m := Message{Key: string(r.Key), Body: r.Value, Headers: map[string]string{}}
				for _, h := range r.Headers {
					m.Headers[h.Key] = string(h.Value)
				}
				m.Type, m.ID = m.Headers["ce_type"], m.Headers["ce_id"]
				each(m)
			})
		}
	})
	return p, nil
}

// KafkaSize is how many events the broker has in a topic, or -1: it tells a lost event from one a tap has not read.
func KafkaSize(ctx context.Context, brokers []string, topic string) (sum int64) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return -1
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return -1
	}
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum
}

// Queue is the name of the queue that RabbitMQ's tap binds to an exchange.
func Queue(exchange string) string { return "tap." + exchange }

// RabbitMQ binds a quorum queue to the exchange, both of which it declares, and reads it. It returns when the queue is
// there: what is published from then on is reported.
func RabbitMQ(ctx context.Context, url, exchange string, each func(Message)) (*Tap, error) {
	reading, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &Tap{cancel: cancel}
	var once sync.Once
	bound := make(chan struct{})
	var last error // of the reader; read after it has ended
	p.done.Go(func() {
		for reading.Err() == nil {
			err := readQueue(reading, url, exchange, each, func() { once.Do(func() { close(bound) }) })
			if err == nil {
				return
			}
			last = err
			select {
			case <-reading.Done():
			case <-time.After(100 * time.Millisecond): // a client's back-off
			}
		}
	})
	select {
	case <-bound:
		return p, nil
	case <-ctx.Done():
		p.Close()
		return nil, fmt.Errorf("the raw consumer gets no queue: %w: %w", ctx.Err(), last)
	}
}

// readQueue is one connection's life; the broker may be killed.
func readQueue(ctx context.Context, url, exchange string, each func(Message), up func()) error {
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: 5 * time.Second, Locale: "en_US"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) }() // mostly gone already
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := Bind(ch, exchange); err != nil {
		return err
	}
	if err := ch.Qos(1000, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(Queue(exchange), "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	up()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, ok := <-deliveries:
			if !ok {
				return errors.New("the connection is lost")
			}
			each(fromRabbitMQ(d))
			if err := d.Ack(false); err != nil {
				return err
			}
		}
	}
}

// Bind declares the exchange and the tap's queue, and binds them.
func Bind(ch *amqp.Channel, exchange string) error {
	if err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return err
	}
	args := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	if _, err := ch.QueueDeclare(Queue(exchange), true, false, false, false, args); err != nil {
		return err
	}
	return ch.QueueBind(Queue(exchange), "#", exchange, false, nil)
}

func fromRabbitMQ(d amqp.Delivery) Message {
	m := Message{Type: d.Type, ID: d.MessageId, Body: d.Body, Headers: map[string]string{
		"type":        d.Type,
		"routing key": d.RoutingKey, "content-type": d.ContentType, "app": d.AppId,
	}}
	for name, value := range d.Headers {
		if text, ok := value.(string); ok {
			m.Headers[name] = text
		}
	}
	if d.DeliveryMode == amqp.Persistent {
		m.Headers["delivery mode"] = "persistent"
	}
	m.Key = m.Headers["cloudEvents_partitionkey"]
	return m
}
