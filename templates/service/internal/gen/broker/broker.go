// Package broker is the in-memory broker: it carries events between the parts of one process.
//
// In go messages from the relay (Publish); out they come at every subscribed group, once and in order per key
// (Subscribe), and at whoever watches (Watch). Nothing survives the process: for more than one process, or for
// delivery after a restart, choose kafka or rabbitmq.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Config bounds what the broker keeps in memory.
type Config struct {
	Backlog  int           `env:"BROKER_BACKLOG" envDefault:"10000" help:"broker: messages a group may be behind before its topic takes no more"`
	Grace    time.Duration `env:"BROKER_GRACE" envDefault:"4s" help:"broker: how long a running handler may go on when its subscription ends"`
	RetryMin time.Duration `env:"BROKER_RETRY_MIN" envDefault:"100ms" help:"broker: first pause after a handler's error"`
	RetryMax time.Duration `env:"BROKER_RETRY_MAX" envDefault:"10s" help:"broker: longest pause"`
}

// Check reports every value that the broker cannot work with.
func (c Config) Check(bad func(key, problem string)) {
	if c.Backlog < 1 {
		bad("BROKER_BACKLOG", fmt.Sprintf("%d is below 1", c.Backlog))
	}
	if c.Grace < 0 {
		bad("BROKER_GRACE", "must not be negative")
	}
	event.CheckRetry(c.RetryMin, c.RetryMax, bad)
}

// Recent is how many messages are kept for Watch, and per topic for groups that subscribe late.
const Recent = 1000

type (
	// Subscription says which messages a consumer wants.
	Subscription = event.Subscription
	// Delivery is one message on its way to a consumer.
	Delivery = event.Delivery
)

var (
	errClosed  = errors.New("broker is closed")
	errBacklog = errors.New("a group is too far behind")
)

// Broker is one in-memory broker. Its methods may be called from any goroutine.
type Broker struct {
	cfg    Config
	source string
	log    *slog.Logger

	mu      sync.Mutex
	closed  chan struct{}
	topics  map[string]*topic
	ring    []Seen        // the last messages, oldest first
	next    uint64        // sequence number of the next message
	changed chan struct{} // closed and replaced at every message
}

var _ outbox.Publisher = (*Broker)(nil)

// Open returns a broker for the service called source.
func Open(_ context.Context, cfg Config, source string, log *slog.Logger) (*Broker, error) {
	if err := outbox.Problems(cfg); err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	return &Broker{cfg: cfg, source: source, log: log, closed: make(chan struct{}),
		topics: make(map[string]*topic), next: 1, changed: make(chan struct{})}, nil
}

// Publish implements outbox.Publisher. The message is in the topic's log when done is called, before Publish returns.
func (b *Broker) Publish(ctx context.Context, m *outbox.Message, done func(error)) {
	done(b.publish(ctx, m))
}

func (b *Broker) publish(ctx context.Context, m *outbox.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isClosed() {
		return errClosed
	}
	t := b.topic(m.Topic)
	if g := t.slowest(); g != nil && len(g.waiting) >= b.cfg.Backlog {
		return fmt.Errorf("%w: %s on topic %s", errBacklog, g.sub.Group, m.Topic)
	}
	s := Seen{Seq: b.next, Delivery: Delivery{Message: *m, Source: b.source, Attempt: 1}}
	b.next++
	t.add(s.Delivery)
	b.ring = appendRecent(b.ring, s)
	close(b.changed)
	b.changed = make(chan struct{})
	return nil
}

// Pipelines implements outbox.Publisher: messages are taken in the order of Publish, and a failure is reported
// before Publish returns.
func (b *Broker) Pipelines() bool { return true }

// Status implements the broker's health: nil until Close.
func (b *Broker) Status() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.isClosed() {
		return errClosed
	}
	return nil
}

// Close refuses further messages and ends every Subscribe and Watch. It does not wait for them.
func (b *Broker) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isClosed() {
		close(b.closed)
	}
	return nil
}

func (b *Broker) isClosed() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

func (b *Broker) topic(name string) *topic {
	t := b.topics[name]
	if t == nil {
		t = &topic{groups: make(map[Subscription]*group)}
		b.topics[name] = t
	}
	return t
}

// appendRecent keeps the last Recent of list, moving them seldom.
func appendRecent[T any](list []T, v T) []T {
	if len(list) >= 2*Recent {
		n := copy(list, list[len(list)-Recent+1:])
		clear(list[n:])
		list = list[:n]
	}
	return append(list, v)
}

// recent is the part of a list grown by appendRecent that counts.
func recent[T any](list []T) []T { return list[max(0, len(list)-Recent):] }
