package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// message is what a raw consumer got.
type message struct {
	key     string
	body    []byte
	headers map[string]string
}

// tap is a raw consumer: a client of the broker's own kind, with nothing of svcgen's in it, that keeps all it gets.
type tap struct {
	example  *example
	numbered string // the event field in which a load sends its numbers

	mu       sync.Mutex
	messages []message
}

func (p *tap) add(m message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, m)
}

// of returns the events of a load, by the keys it used, in the order they arrived.
func (p *tap) of(keys map[string]int) []seen {
	p.mu.Lock()
	messages := p.messages // only ever appended to; decoding them under the lock would keep the next ones out
	p.mu.Unlock()
	var events []seen
	for _, m := range messages {
		if _, ok := keys[m.key]; !ok {
			continue
		}
		ev, err := p.example.decode(m.headers["type"], m.body)
		if err != nil {
			continue // then it is missing
		}
		if seq, err := strconv.Atoi(field(ev, p.numbered)); err == nil {
			events = append(events, seen{m.key, seq})
		}
	}
	return events
}

// await returns the first message with the key.
func (p *tap) await(t *testing.T, key string) message {
	t.Helper()
	var found message
	eventually(t, patience, "an event with the key "+key+" arrives", func(context.Context) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, m := range p.messages {
			if m.key == key {
				found = m
				return nil
			}
		}
		return fmt.Errorf("%d others did", len(p.messages))
	})
	return found
}

const partitions = 6

// tapKafka creates the topic and reads it from its beginning.
func tapKafka(t *testing.T, e *example, brokers, topic string) *tap {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the topic is created", func(ctx context.Context) error {
		_, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil // by another test
		}
		return err
	})
	p := &tap{example: e, numbered: "customer_id"}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				m := message{key: string(r.Key), body: r.Value, headers: map[string]string{}}
				for _, h := range r.Headers {
					m.headers[h.Key] = string(h.Value)
				}
				m.headers["type"] = m.headers["ce_type"]
				p.add(m)
			})
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the topic holds %d events", topicSize(brokers, topic))
		}
		cancel()
		done.Wait()
		client.Close()
	})
	return p
}

// topicSize is how many events the broker has in a topic, or -1: it tells a lost event from one the tap has not read.
func topicSize(brokers, topic string) (sum int64) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		return -1
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return -1
	}
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum
}

// tapRabbitMQ binds a quorum queue to the exchange before anything is published, and reads it.
func tapRabbitMQ(t *testing.T, e *example, url, exchange string) *tap {
	t.Helper()
	queue := "tap." + exchange
	declare := func(ch *amqp.Channel) (<-chan amqp.Delivery, error) {
		if err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return nil, err
		}
		args := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
		if _, err := ch.QueueDeclare(queue, true, false, false, false, args); err != nil {
			return nil, err
		}
		if err := ch.QueueBind(queue, "#", exchange, false, nil); err != nil {
			return nil, err
		}
		return ch.Consume(queue, "", false, false, false, false, nil)
	}
	p := &tap{example: e, numbered: "payment_id"}
	// read is one connection's life; the broker may be killed.
	read := func(ctx context.Context, up func()) error {
		conn, err := amqp.Dial(url)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // mostly gone already
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		deliveries, err := declare(ch)
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
				p.add(rabbitMessage(d))
				if err := d.Ack(false); err != nil {
					return err
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	var once sync.Once
	bound := make(chan struct{})
	done.Go(func() {
		for ctx.Err() == nil {
			if err := read(ctx, func() { once.Do(func() { close(bound) }) }); err == nil {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond): // a client's back-off
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	select {
	case <-bound:
	case <-time.After(patience):
		t.Fatal("the raw consumer gets no queue")
	}
	return p
}

func rabbitMessage(d amqp.Delivery) message {
	m := message{body: d.Body, headers: map[string]string{
		"type": d.Type, "routing key": d.RoutingKey, "id": d.MessageId, "content-type": d.ContentType, "app": d.AppId,
	}}
	for name, value := range d.Headers {
		if text, ok := value.(string); ok {
			m.headers[name] = text
		}
	}
	if d.DeliveryMode == amqp.Persistent {
		m.headers["delivery mode"] = "persistent"
	}
	m.key = m.headers["cloudEvents_partitionkey"]
	return m
}
