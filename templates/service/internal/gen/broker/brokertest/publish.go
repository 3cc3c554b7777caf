package brokertest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

func (s Suite) testFields(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	c := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, nil)
	full := message(topic, "ключ-1", 1)
	full.Payload = []byte{0, 1, 255}
	full.Headers = map[string]string{"tenant": "ä", "empty": ""}
	full.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	bare := message(topic, "", 2)
	bare.Payload = nil
	large := message(topic, "k", 3)
	large.Payload = bytes.Repeat([]byte{7}, outbox.MaxPayload)
	for i, m := range []*outbox.Message{full, bare, large} {
		s.mustPublish(t, b, m)
		d := s.wait(t, i+1, c)[i]
		same := d.ID == m.ID && d.Topic == m.Topic && d.Key == m.Key && d.Type == m.Type && bytes.Equal(d.Payload, m.Payload) &&
			maps.Equal(d.Headers, m.Headers) && d.Traceparent == m.Traceparent && d.CreatedAt.Equal(m.CreatedAt)
		if !same || d.Source != source || d.Attempt != 1 {
			t.Errorf("published %+v\ndelivered %+v", *m, d)
		}
	}
}

// testOrder publishes as the relay does: one message of a key in flight, or all of them where the broker pipelines.
func (s Suite) testOrder(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	c := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, nil)
	const keys, n = 16, 50
	var wg sync.WaitGroup
	for k := range keys {
		wg.Go(func() {
			var inflight sync.WaitGroup
			for i := range n {
				inflight.Add(1)
				b.Publish(t.Context(), message(topic, fmt.Sprint("key", k), i), func(err error) {
					if err != nil {
						t.Errorf("key %d message %d: %v", k, i, err)
					}
					inflight.Done()
				})
				if !b.Pipelines() {
					inflight.Wait()
				}
			}
			inflight.Wait()
		})
	}
	wg.Wait()
	inOrder(t, s.wait(t, keys*n, c), n)
}

// testWindow hands over far more than a send window holds, without waiting.
func (s Suite) testWindow(t *testing.T) {
	b, topic := s.open(t), s.Topic(t)
	c := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, nil)
	const n = 3000
	answers := make([]atomic.Int32, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		b.Publish(t.Context(), message(topic, fmt.Sprint(i), 0), func(err error) {
			if err != nil {
				t.Errorf("message %d: %v", i, err)
			}
			if answers[i].Add(1) == 1 {
				wg.Done()
			}
		})
	}
	wg.Wait()
	s.wait(t, n, c)
	for i := range answers {
		if m := answers[i].Load(); m != 1 {
			t.Fatalf("message %d was answered %d times", i, m)
		}
	}
}

func (s Suite) testRefused(t *testing.T) {
	if s.Refused == nil {
		t.Skip("this broker refuses nothing")
	}
	b, topic := s.open(t), s.Topic(t)
	s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, nil)
	if err := s.publish(t, b, s.Refused(t)); !outbox.IsRejection(err) {
		t.Errorf("got %v, want a rejection", err)
	}
	s.mustPublish(t, b, message(topic, "k", 1)) // the next one is not concerned
}

func (s Suite) testClose(t *testing.T) {
	b, topic := s.Open(t, source), s.Topic(t)
	s.eventually(t, "status is good", func() bool { return b.Status() == nil })
	c := s.subscribe(t, b, event.Subscription{Topic: topic, Group: "g"}, nil)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	answer := make(chan error, 2)
	b.Publish(cancelled, message(topic, "k", 0), func(err error) { answer <- err })
	select {
	case err := <-answer:
		if outbox.IsRejection(err) {
			t.Errorf("a cancelled context is no rejection: %v", err)
		}
	case <-time.After(s.Patience):
		t.Error("no answer to a message with a cancelled context")
	}

	c.stop()
	for range 2 {
		if err := b.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if b.Status() == nil {
		t.Error("status of a closed broker is good")
	}
	if err := s.publish(t, b, message(topic, "k", 0)); err == nil || outbox.IsRejection(err) {
		t.Errorf("publish after close: %v, want an outage", err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- b.Subscribe(t.Context(), event.Subscription{Topic: topic, Group: "g"}, func(context.Context, *event.Delivery) error { return nil })
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("subscribe after close succeeded")
		}
	case <-time.After(s.Patience):
		t.Error("subscribe after close does not return")
	}
}
