// Package broker publishes to RabbitMQ and consumes from it.
//
// In go messages from the relay (Publish): a durable topic exchange per topic, the message type as routing key,
// persistent, mandatory, and accepted only when the broker confirms. Out come deliveries from one quorum queue per
// subscription (Subscribe), acknowledged after the handler. Both reconnect for ever; the broker need not be up when
// the service starts.
//
// What it does not do: it never decides on its own that a message is lost or may be dropped. When the broker does
// not answer, the outcome is reported as unknown and the relay sends the message again; the consumer sees it
// twice, with the same id.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

type (
	// Subscription says which messages a consumer wants.
	Subscription = event.Subscription
	// Delivery is one message on its way to a consumer.
	Delivery = event.Delivery
)

var (
	errClosed     = errors.New("broker is closed")
	errConnecting = errors.New("connecting to RabbitMQ")
)

// Broker is the service's access to one RabbitMQ. Its methods may be called from any goroutine.
type Broker struct {
	cfg    Config
	dialer dialer
	source string
	log    *slog.Logger

	ctx    context.Context // done when Close is called
	cancel context.CancelFunc
	done   sync.WaitGroup // supervisor and sessions
	slots  chan struct{}  // one for each message in flight

	mu      sync.Mutex
	session *session      // nil while there is no connection to publish on
	err     error         // why not; nil while the first try after a loss is under way
	changed chan struct{} // closed and replaced when session or err changes
	health  map[Subscription]error
}

var _ outbox.Publisher = (*Broker)(nil)

// Open starts connecting for the service called source, and does not wait for it.
func Open(_ context.Context, cfg Config, source string, log *slog.Logger) (*Broker, error) {
	d, err := newDialer(cfg, source)
	if err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	if host := cfg.exposed(); host != "" {
		log.Warn("the password goes to RabbitMQ without TLS: use amqps:// in RABBITMQ_URL", "host", host)
	}
	// The broker lives until Close, not as long as the context of its start.
	ctx, cancel := context.WithCancel(context.Background())
	b := &Broker{
		cfg: cfg, dialer: d, source: source, log: log, ctx: ctx, cancel: cancel,
		slots: make(chan struct{}, cfg.Window), changed: make(chan struct{}), health: make(map[Subscription]error),
	}
	b.done.Go(b.supervise)
	return b, nil
}

// Pipelines implements outbox.Publisher. A refusal or a nack says nothing about the messages sent behind it, and
// those cannot be recalled.
func (b *Broker) Pipelines() bool { return false }

// Status is nil when the publishing connection and every subscription are up, and the broker takes messages.
func (b *Broker) Status() error {
	if b.ctx.Err() != nil {
		return errClosed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	switch {
	case b.session != nil:
		errs = append(errs, b.session.refusal())
	case b.err != nil:
		errs = append(errs, b.err)
	default:
		errs = append(errs, errConnecting)
	}
	for sub, err := range b.health {
		if err != nil {
			errs = append(errs, fmt.Errorf("subscription %s: %w", queueName(sub), err))
		}
	}
	return errors.Join(errs...)
}

// Close ends the connections. Messages still in flight are reported as of unknown outcome; every Subscribe returns.
// It waits until its goroutines have ended, or until ctx is done.
func (b *Broker) Close(ctx context.Context) error {
	b.cancel()
	ended := make(chan struct{})
	go func() {
		b.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close broker: %w", ctx.Err())
	}
}
