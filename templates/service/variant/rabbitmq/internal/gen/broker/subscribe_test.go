package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

// consumer runs one Subscribe and notes what its handler gets.
type consumer struct {
	t    testing.TB
	got  chan Delivery
	end  context.CancelFunc
	done chan error
}

// subscribe returns when the subscription is up. fail, when not nil, says what the handler returns.
func subscribe(t testing.TB, b *Broker, sub Subscription, fail func(*Delivery) error) *consumer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &consumer{t: t, got: make(chan Delivery, 10_000), end: cancel, done: make(chan error, 1)}
	go func() {
		c.done <- b.Subscribe(ctx, sub, func(_ context.Context, d *Delivery) error {
			if fail != nil {
				if err := fail(d); err != nil {
					return err
				}
			}
			c.got <- *d
			return nil
		})
	}()
	t.Cleanup(cancel)
	eventually(t, "the subscription is up", func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if err, known := b.health[sub]; !known || err != nil {
			return fmt.Errorf("known %v: %w", known, err)
		}
		return nil
	})
	return c
}

func (c *consumer) next() Delivery {
	c.t.Helper()
	select {
	case d := <-c.got:
		return d
	case err := <-c.done:
		c.t.Fatalf("the subscription ended: %v", err)
	}
	return Delivery{}
}

func (c *consumer) stop() error {
	c.end()
	return <-c.done
}

// dropQueue removes what a subscription declared.
func dropQueue(t testing.TB, url string, sub Subscription) {
	t.Cleanup(func() {
		c, err := amqp.Dial(url)
		if err != nil {
			return // the server is gone, and its data with it
		}
		defer func() { _ = c.Close() }()
		ch, err := c.Channel()
		must(t, err)
		_, err = ch.QueueDelete(queueName(sub), false, false, false)
		must(t, err)
		must(t, ch.ExchangeDelete(sub.Topic, false, false))
	})
}

func newSub(t testing.TB, url string) Subscription {
	sub := Subscription{Topic: rig.Unique("orders"), Group: "billing", Type: testType}
	dropQueue(t, url, sub)
	return sub
}

func TestDeliveryCarriesTheMessage(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	c := subscribe(t, b, sub, nil)
	m := message(sub.Topic, "order-7")
	m.Headers = map[string]string{"tenant": "acme"}
	m.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	must(t, publish(t, b, m))
	d := c.next()
	if got, want := fmt.Sprintf("%+v", d), fmt.Sprintf("%+v", Delivery{Message: *m, Source: testSource, Attempt: 1}); got != want {
		t.Errorf("delivered %s, want %s", got, want)
	}
	if err := c.stop(); err != nil {
		t.Errorf("subscribe returned %v, want nil", err)
	}
}

// TestOrderPerKey: the handler fails at random places, and yet each key's messages are handled once and in order.
func TestOrderPerKey(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	const keys, each = 10, 30
	var mu sync.Mutex
	calls := 0
	c := subscribe(t, b, sub, func(*Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		calls++
		switch {
		case calls%17 == 0:
			panic("at times")
		case calls%7 == 0:
			return errors.New("at times")
		}
		return nil
	})
	for n := range each {
		for k := range keys { // one in flight per key, as the relay does it
			m := message(sub.Topic, keyOf(k))
			m.Payload = fmt.Append(nil, n)
			must(t, publish(t, b, m))
		}
	}
	next := map[string]int{}
	for range keys * each {
		d := c.next()
		if string(d.Payload) != fmt.Sprint(next[d.Key]) {
			t.Fatalf("key %s: got %s, want %d", d.Key, d.Payload, next[d.Key])
		}
		next[d.Key]++
	}
}

func TestAttemptGrows(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	var attempts []int
	c := subscribe(t, b, sub, func(d *Delivery) error {
		attempts = append(attempts, d.Attempt)
		if d.Attempt < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	must(t, publish(t, b, message(sub.Topic, "k")))
	c.next()
	if fmt.Sprint(attempts) != "[1 2 3]" {
		t.Errorf("attempts %v", attempts)
	}
}

// TestUnfinishedComesAgain: what a handler did not finish when its subscription ended is delivered to the next one.
func TestUnfinishedComesAgain(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	tried := make(chan struct{}, 1000)
	c := subscribe(t, b, sub, func(*Delivery) error {
		tried <- struct{}{}
		return errors.New("never")
	})
	m := message(sub.Topic, "k")
	must(t, publish(t, b, m))
	<-tried
	must(t, c.stop())
	d := subscribe(t, b, sub, nil).next()
	if d.ID != m.ID || d.Attempt < 2 {
		t.Errorf("got %s at attempt %d, want %s at a later one", d.ID, d.Attempt, m.ID)
	}
}

// TestOtherMessagesArePassedOver: neither another type nor something that is no event holds the queue up.
func TestOtherMessagesArePassedOver(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	c := subscribe(t, b, sub, nil)
	ch, err := raw(t, url).Channel()
	must(t, err)
	must(t, ch.Publish(sub.Topic, testType, false, false, amqp.Publishing{Body: []byte("no event")}))
	must(t, ch.Publish(sub.Topic, testType, false, false, amqp.Publishing{Headers: amqp.Table{
		"cloudEvents_specversion": "1.0", "cloudEvents_id": message("", "").ID.String(), "cloudEvents_source": "elsewhere",
		"cloudEvents_type": "acme.Other",
	}}))
	other := message(sub.Topic, "k")
	other.Type = "acme.Other"
	if err := publish(t, b, other); err != nil && !outbox.IsRejection(err) { // no queue wants that routing key
		t.Fatal(err)
	}
	m := message(sub.Topic, "k")
	must(t, publish(t, b, m))
	if d := c.next(); d.ID != m.ID {
		t.Errorf("got %s, want %s", d.ID, m.ID)
	}
	must(t, c.stop())
	q, err := ch.QueueDeclarePassive(queueName(sub), true, false, false, false, nil)
	must(t, err)
	if q.Messages != 0 {
		t.Errorf("%d messages left in the queue", q.Messages)
	}
}

// TestReplicasTakeTurns: a second consumer of the same queue waits, and takes over with nothing lost or reordered.
func TestReplicasTakeTurns(t *testing.T) {
	url := rig.RabbitMQ(t)
	sub := newSub(t, url)
	one, two := open(t, config(url)), open(t, config(url))
	first, second := subscribe(t, one, sub, nil), subscribe(t, two, sub, nil)
	const total = 200
	for n := range total {
		m := message(sub.Topic, "k")
		m.Payload = fmt.Append(nil, n)
		must(t, publish(t, one, m))
		if n == total/2 {
			first.next()
			must(t, first.stop())
		}
	}
	seen := map[string]bool{fmt.Sprint(0): true} // taken above
	last := -1
	for len(seen) < total {
		var d Delivery
		select {
		case d = <-first.got:
		default:
			d = second.next()
		}
		var n int
		_, err := fmt.Sscan(string(d.Payload), &n)
		must(t, err)
		if !seen[string(d.Payload)] && n < last {
			t.Fatalf("%d came for the first time after %d", n, last)
		}
		last = max(last, n)
		seen[string(d.Payload)] = true
	}
}

func TestSubscribeEndsWithTheBroker(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	c := subscribe(t, b, sub, nil)
	must(t, b.Close(t.Context()))
	if err := <-c.done; !errors.Is(err, errClosed) {
		t.Errorf("subscribe returned %v", err)
	}
	if err := b.Subscribe(t.Context(), Subscription{Topic: "t"}, nil); err == nil {
		t.Error("a subscription without a group was accepted")
	}
}

// TestQueueOfAnotherKindIsUsedAsItIs: operators may have declared it with arguments of their own.
func TestQueueOfAnotherKindIsUsedAsItIs(t *testing.T) {
	url := rig.RabbitMQ(t)
	b, sub := open(t, config(url)), newSub(t, url)
	ch, err := raw(t, url).Channel()
	must(t, err)
	_, err = ch.QueueDeclare(queueName(sub), true, false, false, false, amqp.Table{"x-queue-type": "classic"})
	must(t, err)
	c := subscribe(t, b, sub, nil)
	must(t, publish(t, b, message(sub.Topic, "k")))
	c.next()
}

// TestTemporary: a temporary subscription leaves nothing on the server.
func TestTemporary(t *testing.T) {
	url := rig.RabbitMQ(t)
	b := open(t, config(url))
	sub := Subscription{Topic: rig.Unique("orders"), Group: "g", Temporary: true}
	c := subscribe(t, b, sub, nil)
	must(t, publish(t, b, message(sub.Topic, "k")))
	if d := c.next(); d.Key != "k" {
		t.Errorf("got %+v", d)
	}
	must(t, c.stop())
	eventually(t, "the queue is gone", func() error {
		ch, err := raw(t, url).Channel()
		must(t, err)
		if _, err := ch.QueueDeclarePassive(queueName(sub), false, true, true, false, nil); !refused(err, amqp.NotFound) {
			return fmt.Errorf("it is there, or was not asked for: %w", err)
		}
		return nil
	})
}
