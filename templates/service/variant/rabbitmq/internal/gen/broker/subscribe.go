package broker

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
)

// Subscribe hands the messages of sub to handle until ctx is done (the result is nil) or the broker is closed.
// Messages of one key are handled in order, one at a time, also across replicas; other keys run beside them. A
// message whose handler returns an error or panics is tried again after a growing pause; later ones of its key wait
// for it. It is acknowledged after the handler, so after a crash it comes again, with a higher Attempt.
//
// The queue begins to gather messages when it is declared, that is with the first Subscribe that reaches RabbitMQ.
func (b *Broker) Subscribe(ctx context.Context, sub Subscription, handle func(context.Context, *Delivery) error) error {
	if sub.Topic == "" || sub.Group == "" {
		return fmt.Errorf("subscribe: topic %q and group %q are required", sub.Topic, sub.Group)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	defer b.report(sub, nil)
	var pause backoff
	for ctx.Err() == nil {
		b.report(sub, errConnecting)
		err := b.consume(ctx, sub, handle, pause.reset)
		if ctx.Err() != nil {
			break
		}
		b.log.Warn("subscription interrupted", "queue", queueName(sub), "error", err)
		b.report(sub, err)
		pause.wait(ctx)
	}
	if b.ctx.Err() != nil {
		return errClosed
	}
	return nil
}

func (b *Broker) report(sub Subscription, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.health[sub] = err
}

// consume serves sub over one connection of its own: a slow handler must not hold back confirms.
func (b *Broker) consume(ctx context.Context, sub Subscription, handle event.Handler, connected func()) error {
	l, err := b.dialer.dial(ctx, "consume "+queueName(sub))
	if err != nil {
		return err
	}
	defer l.hangUp()
	deliveries, err := b.listen(ctx, l, sub)
	if err != nil {
		return err
	}
	connected()
	b.report(sub, nil)
	b.log.Info("subscribed", "queue", queueName(sub))

	// Nothing may run for this connection once it is gone: its unacknowledged messages are delivered again on the
	// next one, and two handlers of one key must not meet.
	stop, cancel := context.WithCancel(ctx)
	work, cancelWork := event.Linger(stop, b.cfg.Grace)
	defer cancelWork()
	lanes := b.startLanes(stop, work, sub, handle)
	defer lanes.wait()
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, ok := <-deliveries:
			if !ok {
				return errors.New("connection lost or queue deleted")
			}
			lanes.give(d)
		}
	}
}

// listen declares what sub needs and starts the flow of deliveries.
func (b *Broker) listen(ctx context.Context, l *link, sub Subscription) (<-chan amqp.Delivery, error) {
	defer l.bound(ctx, b.cfg.Timeout)()
	if err := declareExchange(l, sub.Topic, b.cfg.Declare); err != nil {
		return nil, err
	}
	if err := declareQueue(l, sub, b.cfg.Declare); err != nil {
		return nil, err
	}
	ch, err := l.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	if err := ch.Qos(b.cfg.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := ch.Consume(queueName(sub), "", false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume %s: %w", queueName(sub), err)
	}
	return deliveries, nil
}

// lanes spread deliveries over goroutines by key.
type lanes struct {
	b    *Broker
	sub  Subscription
	in   []chan job
	seed maphash.Seed
	done sync.WaitGroup
}

// job is a delivery and what it says.
type job struct {
	raw    amqp.Delivery
	parsed Delivery
}

func (b *Broker) startLanes(stop, work context.Context, sub Subscription, handle event.Handler) *lanes {
	l := &lanes{b: b, sub: sub, seed: maphash.MakeSeed(), in: make([]chan job, b.cfg.Lanes)}
	lane := event.Lane{Group: sub.Group, RetryMin: b.cfg.RetryMin, RetryMax: b.cfg.RetryMax, Log: b.log}
	for i := range l.in {
		in := make(chan job, b.cfg.Prefetch) // the broker sends no more than this before an acknowledgement
		l.in[i] = in
		l.done.Go(func() {
			for j := range in {
				if lane.Handle(stop, work, j.parsed, handle) {
					l.ack(&j.raw)
				}
			}
		})
	}
	return l
}

// give passes d on, or over when the subscription does not want it.
func (l *lanes) give(d amqp.Delivery) {
	parsed, err := parse(&d)
	if err != nil {
		// It would be the same the next time. Whoever put it here has to know.
		l.b.log.Error("message passed over", "queue", queueName(l.sub), "error", err)
		l.ack(&d)
		return
	}
	parsed.Topic = l.sub.Topic
	if l.sub.Type != "" && parsed.Type != l.sub.Type {
		l.ack(&d)
		return
	}
	l.in[maphash.String(l.seed, parsed.Key)%uint64(len(l.in))] <- job{raw: d, parsed: parsed}
}

// ack acknowledges this delivery only: a lane beside it may not be done with an earlier one.
func (l *lanes) ack(d *amqp.Delivery) {
	if err := d.Ack(false); err != nil {
		l.b.log.Debug("acknowledgement lost, the message will come again", "queue", queueName(l.sub), "error", err)
	}
}

func (l *lanes) wait() {
	for _, in := range l.in {
		close(in)
	}
	l.done.Wait()
}
