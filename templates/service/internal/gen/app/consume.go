package app

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// consumer is one consumed event with its handler.
type consumer struct {
	topic     string
	eventType string
	handle    func(context.Context, *store.DB, *broker.Delivery) error
}

// message is a pointer to the struct of a proto message.
type message[T any] interface {
	*T
	proto.Message
}

// consume binds a handler to its topic. The handler runs in a transaction of its own; events it emits leave with
// that transaction.
func consume[T any, M message[T]](topic string, handle func(context.Context, *store.Tx, M) error) consumer {
	name := string(M(new(T)).ProtoReflect().Descriptor().FullName())
	return consumer{topic: topic, eventType: name, handle: func(ctx context.Context, db *store.DB, d *broker.Delivery) error {
		ev := M(new(T))
		if err := proto.Unmarshal(d.Payload, ev); err != nil {
			return fmt.Errorf("unmarshal %s: %w", name, err)
		}
		return db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error { return handle(ctx, tx, ev) })
	}}
}

// subscribe hands events to the consumer until ctx is done.
func (c consumer) subscribe(ctx context.Context, b *broker.Broker, group string, db *store.DB, consumed func(eventType string, err error)) error {
	sub := broker.Subscription{Topic: c.topic, Group: group, Type: c.eventType}
	err := b.Subscribe(ctx, sub, func(ctx context.Context, d *broker.Delivery) error {
		err := c.handle(ctx, db, d)
		consumed(c.eventType, err)
		return err
	})
	if err != nil {
		return fmt.Errorf("consume %s from %s: %w", c.eventType, c.topic, err)
	}
	return nil
}
