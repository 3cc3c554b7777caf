package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"

	emitted "github.com/svcgen/svcgen/templates/service/variant/rabbitmq"
)

// window is the emitted default of messages in flight; raw has the same.
const window = 1024

const source = "/svc/bench"

// rabbit is an exchange and its quorum queue for one turn, and one connection for whoever publishes without svcgen.
type rabbit struct {
	url, name string
	conn      *amqp.Connection
	broker    *emitted.Broker
	shared    *amqp.Channel
}

func newRabbit(ctx context.Context, url string) (target, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	r := &rabbit{url: url, name: rig.Unique("bench"), conn: conn}
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.ExchangeDeclare(r.name, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return nil, err
	}
	if _, err := ch.QueueDeclare(r.name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}); err != nil {
		return nil, err
	}
	if err := ch.QueueBind(r.name, "#", r.name, false, nil); err != nil {
		return nil, err
	}
	if r.shared, err = confirming(conn); err != nil {
		return nil, err
	}
	if r.broker, err = emitted.Open(ctx, url, source); err != nil {
		return nil, err
	}
	return r, nil
}

func confirming(conn *amqp.Connection) (*amqp.Channel, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	return ch, ch.Confirm(false)
}

func (r *rabbit) topic() string               { return r.name }
func (r *rabbit) publisher() outbox.Publisher { return r.broker }

func (r *rabbit) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = r.broker.Close(ctx)
	if ch, err := r.conn.Channel(); err == nil {
		_, _ = ch.QueueDelete(r.name, false, false, false)
		_ = ch.ExchangeDelete(r.name, false, false)
	}
	_ = r.conn.Close()
}

// publishing is what the emitted broker sends for m.
func publishing(m *outbox.Message) amqp.Publishing {
	headers := make(amqp.Table, 10)
	for _, h := range event.Headers(m, source, event.AMQP) {
		headers[h.Name] = h.Value
	}
	delete(headers, "content-type")
	return amqp.Publishing{
		Headers: headers, ContentType: event.ContentType, DeliveryMode: amqp.Persistent,
		MessageId: m.ID.String(), Type: m.Type, AppId: source, Timestamp: m.CreatedAt, Body: m.Payload,
	}
}

var errNack = errors.New("nack")

func (r *rabbit) raw(ctx context.Context, n int, accepted func()) error {
	flight := make(chan *amqp.DeferredConfirmation, window)
	var settled sync.WaitGroup
	var failed error
	settled.Go(func() {
		for c := range flight {
			if ok, err := c.WaitContext(ctx); err != nil || !ok {
				failed = errors.Join(err, errNack)
				continue
			}
			accepted()
		}
	})
	for i := range n {
		m := identified(r.name, i)
		c, err := r.shared.PublishWithDeferredConfirmWithContext(ctx, m.Topic, m.Type, true, false, publishing(&m))
		if err != nil {
			failed = err
			break
		}
		flight <- c
	}
	close(flight)
	settled.Wait()
	return failed
}

// identified is the i-th message of a backlog as a relay reads it.
func identified(topic string, i int) outbox.Message {
	m := placed(fmt.Sprint(i % keys))
	m.Topic, m.ID, m.CreatedAt = topic, uuid.Must(uuid.NewV7()), time.Now()
	return m
}

func (r *rabbit) sink() (func(context.Context, []outbox.Message) error, error) {
	ch, err := confirming(r.conn)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, batch []outbox.Message) error {
		confirms := make([]*amqp.DeferredConfirmation, len(batch))
		for i := range batch {
			var err error
			confirms[i], err = ch.PublishWithDeferredConfirmWithContext(ctx, batch[i].Topic, batch[i].Type, true, false, publishing(&batch[i]))
			if err != nil {
				return err
			}
		}
		for _, c := range confirms {
			if ok, err := c.WaitContext(ctx); err != nil || !ok {
				return errors.Join(err, errNack)
			}
		}
		return nil
	}, nil
}

func (r *rabbit) one(ctx context.Context, m *outbox.Message) error {
	c, err := r.shared.PublishWithDeferredConfirmWithContext(ctx, r.name, m.Type, true, false, publishing(m))
	if err != nil {
		return err
	}
	if ok, err := c.WaitContext(ctx); err != nil || !ok {
		return errors.Join(err, errNack)
	}
	return nil
}
