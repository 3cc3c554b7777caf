package broker

import (
	"errors"
	"fmt"
	"math"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// declareExchange makes sure that the durable topic exchange exists. An exchange that the operator made otherwise,
// or that the service may not declare, is used as it is.
func declareExchange(l *link, name string, create bool) error {
	if create {
		err := onChannel(l, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, amqp.ExchangeTopic, true, false, false, false, nil)
		})
		if err == nil || !refused(err, amqp.PreconditionFailed, amqp.AccessRefused) {
			return wrap("declare exchange "+name, err)
		}
	}
	return wrap("exchange "+name, onChannel(l, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, amqp.ExchangeTopic, true, false, false, false, nil)
	}))
}

// queueName is the queue of one subscription: it is shared by all replicas of the service.
func queueName(sub Subscription) string {
	name := sub.Group + "." + sub.Topic
	if sub.Type != "" {
		name += "." + sub.Type
	}
	return name
}

// queueArguments: replicated; one replica of the service consumes at a time, which keeps the order per key; and no
// delivery limit, for beyond it (20 by default since RabbitMQ 4.0) the broker drops the message.
func queueArguments() amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:            amqp.QueueTypeQuorum,
		amqp.SingleActiveConsumerArg: true,
		"x-delivery-limit":           int32(math.MaxInt32),
	}
}

// declareQueue makes sure that sub's queue exists and gets its messages. A queue that the operator made otherwise is
// used as it is.
func declareQueue(l *link, sub Subscription, create bool) error {
	name := queueName(sub)
	durable, own, args := true, false, queueArguments()
	if sub.Temporary { // it ends with the connection
		create, durable, own, args = true, false, true, nil
	}
	if !create {
		return wrap("queue "+name, onChannel(l, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			return err
		}))
	}
	err := onChannel(l, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, durable, own, own, false, args)
		return err
	})
	if err != nil && !refused(err, amqp.PreconditionFailed) {
		return wrap("declare queue "+name, err)
	}
	key := sub.Type
	if key == "" {
		key = "#"
	}
	return wrap("bind queue "+name, onChannel(l, func(ch *amqp.Channel) error {
		return ch.QueueBind(name, key, sub.Topic, false, nil)
	}))
}

// onChannel calls do with a channel of its own: an error closes the channel it happens on.
func onChannel(l *link, do func(*amqp.Channel) error) error {
	ch, err := l.Channel()
	if err != nil {
		return err
	}
	if err := do(ch); err != nil {
		_ = ch.Close() // usually closed by the error already
		return err
	}
	return ch.Close()
}

func refused(err error, codes ...int) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return ok && slices.Contains(codes, e.Code)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
