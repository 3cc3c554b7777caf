// Package brokertest is the conformance suite of package broker: every broker passes it.
//
// In goes a way to open a broker and to make topics; out come test failures. How a broker behaves when its server
// fails is tested beside that broker.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Broker is broker.Broker as the suite uses it.
type Broker interface {
	outbox.Publisher
	Subscribe(ctx context.Context, sub event.Subscription, handle func(context.Context, *event.Delivery) error) error
	Status() error
	Close(ctx context.Context) error
}

// Suite says what is tested.
type Suite struct {
	// Open connects a broker for a service called source. The suite closes it.
	Open func(t testing.TB, source string) Broker
	// Topic makes a new topic.
	Topic func(t testing.TB) string
	// Refused returns a message that the broker refuses for what it is; nil where there is none.
	Refused func(t testing.TB) *outbox.Message
	// Patience is how long to wait for anything; a minute when zero.
	Patience time.Duration
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	if s.Patience == 0 {
		s.Patience = time.Minute
	}
	t.Run("Fields", s.testFields)
	t.Run("Order", s.testOrder)
	t.Run("Window", s.testWindow)
	t.Run("Groups", s.testGroups)
	t.Run("Types", s.testTypes)
	t.Run("Errors", s.testErrors)
	t.Run("Leave", s.testLeave)
	t.Run("Refused", s.testRefused)
	t.Run("Close", s.testClose)
}

const source = "/svc/suite"

func (s Suite) open(t testing.TB) Broker {
	t.Helper()
	b := s.Open(t, source)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s.eventually(t, "status is good", func() bool { return b.Status() == nil })
	return b
}

// eventually waits until ok, and fails the test if that takes too long.
func (s Suite) eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(s.Patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v: %s is not so", s.Patience, what)
		}
	}
}

const eventType = "acme.v1.Placed"

func message(topic, key string, n int) *outbox.Message {
	return &outbox.Message{ID: uuid.Must(uuid.NewV7()), Topic: topic, Key: key, Type: eventType,
		Payload: fmt.Append(nil, n), CreatedAt: time.Now().UTC().Truncate(time.Millisecond)}
}

// publish hands m over and waits for the answer.
func (s Suite) publish(t testing.TB, b Broker, m *outbox.Message) error {
	t.Helper()
	answer := make(chan error, 2)
	b.Publish(t.Context(), m, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-time.After(s.Patience):
		t.Fatalf("no answer to a message for topic %s after %v", m.Topic, s.Patience)
		return nil
	}
}

func (s Suite) mustPublish(t testing.TB, b Broker, m *outbox.Message) {
	t.Helper()
	if err := s.publish(t, b, m); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// consumer records what a subscription delivers.
type consumer struct {
	mu    sync.Mutex
	got   []event.Delivery
	ready bool
	stop  func()
	ended chan error
}

const readyKey = "brokertest-ready"

// subscribe starts a consumer and returns when messages reach it. handle may be nil.
func (s Suite) subscribe(t testing.TB, b Broker, sub event.Subscription, handle func(context.Context, *event.Delivery) error) *consumer {
	t.Helper()
	c := s.join(t, b, sub, handle)
	// A subscription begins to count at some time after the call: markers show when.
	s.eventually(t, fmt.Sprintf("subscription of group %s to %s is served", sub.Group, sub.Topic), func() bool {
		m := message(sub.Topic, readyKey, 0)
		if sub.Type != "" {
			m.Type = sub.Type
		}
		_ = s.publish(t, b, m) // refused while nothing is bound
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.ready
	})
	return c
}

// join starts a consumer and returns at once.
func (s Suite) join(t testing.TB, b Broker, sub event.Subscription, handle func(context.Context, *event.Delivery) error) *consumer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &consumer{ended: make(chan error, 1)}
	go func() {
		c.ended <- b.Subscribe(ctx, sub, func(ctx context.Context, d *event.Delivery) error {
			if d.Key == readyKey {
				c.mu.Lock()
				c.ready = true
				c.mu.Unlock()
				return nil
			}
			if handle != nil {
				if err := handle(ctx, d); err != nil {
					return err
				}
			}
			c.mu.Lock()
			c.got = append(c.got, *d)
			c.mu.Unlock()
			return nil
		})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-c.ended:
			if err != nil {
				t.Errorf("subscribe: %v, want nil when its context ends", err)
			}
		case <-time.After(s.Patience):
			t.Errorf("subscribe did not return within %v after its context ended", s.Patience)
		}
	})
	t.Cleanup(c.stop)
	return c
}

// all returns what was delivered so far.
func (c *consumer) all() []event.Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]event.Delivery(nil), c.got...)
}

// wait waits until n messages were delivered, and a little longer to see that no more come.
func (s Suite) wait(t testing.TB, n int, consumers ...*consumer) []event.Delivery {
	t.Helper()
	var got []event.Delivery
	collect := func() int {
		got = nil
		for _, c := range consumers {
			got = append(got, c.all()...)
		}
		return len(got)
	}
	s.eventually(t, fmt.Sprintf("%d messages are delivered", n), func() bool { return collect() >= n })
	<-time.After(50 * time.Millisecond)
	if m := collect(); m != n {
		t.Fatalf("%d messages were delivered, want %d", m, n)
	}
	return got
}

// inOrder fails unless each key's payloads count from 0 to n-1.
func inOrder(t testing.TB, got []event.Delivery, n int) {
	t.Helper()
	next := make(map[string]int)
	for _, d := range got {
		if string(d.Payload) != fmt.Sprint(next[d.Key]) {
			t.Fatalf("key %s: message %s comes where %d belongs", d.Key, d.Payload, next[d.Key])
		}
		next[d.Key]++
	}
	for key, m := range next {
		if m != n {
			t.Fatalf("key %s: %d messages, want %d", key, m, n)
		}
	}
}

var errHandler = errors.New("handler fails on purpose")
