package brokertest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
)

// testGroups: every group gets everything, the members of one group share it, and order per key holds in both.
func (s Suite) testGroups(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	alone := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "alone"}, nil)
	first := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "shared"}, nil)
	second := s.join(t, b, event.Subscription{Topic: topic, Group: "shared"}, nil)
	const keys, n = 20, 10
	for i := range n {
		for k := range keys {
			s.mustPublish(t, b, message(topic, fmt.Sprint("key", k), i))
		}
	}
	inOrder(t, s.wait(t, keys*n, alone), n)
	got := s.wait(t, keys*n, first, second)
	seen := make(map[uuid.UUID]bool)
	for _, d := range got {
		if seen[d.ID] {
			t.Errorf("message %s of key %s was delivered twice to one group", d.Payload, d.Key)
		}
		seen[d.ID] = true
	}
}

// testTypes: a subscription to one type passes over the others and does not stop at them.
func (s Suite) testTypes(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	placed := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "placed", Type: eventType}, nil)
	all := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "all"}, nil)
	for i := range 10 {
		m := message(topic, "k", i)
		if i%2 == 1 {
			m.Type = "acme.v1.Other"
		}
		s.mustPublish(t, b, m)
	}
	inOrder(t, s.wait(t, 10, all), 10)
	for i, d := range s.wait(t, 5, placed) {
		if d.Type != eventType || string(d.Payload) != fmt.Sprint(2*i) {
			t.Errorf("message %d: %s of type %s", i, d.Payload, d.Type)
		}
	}
}

// testErrors: a handler's error or panic brings the message again, with a growing attempt, before later ones of
// its key.
func (s Suite) testErrors(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	var failures atomic.Int32
	attempts := make(chan int, 10)
	c := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, func(_ context.Context, d *event.Delivery) error {
		if d.Key == "bad" && string(d.Payload) == "1" {
			attempts <- d.Attempt
			switch failures.Add(1) {
			case 1:
				return errHandler
			case 2:
				panic(errHandler)
			}
		}
		return nil
	})
	const n = 4
	for i := range n {
		s.mustPublish(t, b, message(topic, "bad", i))
		s.mustPublish(t, b, message(topic, "good", i))
	}
	inOrder(t, s.wait(t, 2*n, c), n)
	for want := 1; want <= 3; want++ {
		if got := <-attempts; got != want {
			t.Errorf("attempt %d says it is attempt %d", want, got)
		}
	}
}

// testLeave: a message whose handler was interrupted by the end of its subscription is delivered to the next one
// of the group, and nothing after it is lost.
func (s Suite) testLeave(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	entered := make(chan struct{}, 100)
	first := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, func(ctx context.Context, d *event.Delivery) error {
		if string(d.Payload) == "0" {
			return nil
		}
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	const n = 5
	for i := range n {
		s.mustPublish(t, b, message(topic, "k", i))
	}
	select {
	case <-entered:
	case <-time.After(s.Patience):
		t.Fatal("the handler was not called")
	}
	first.stop()
	second := s.join(t, b, event.Subscription{Topic: topic, Group: "g"}, nil)
	got := append(first.all(), s.wait(t, n-1, second)...)
	inOrder(t, got, n)
}
