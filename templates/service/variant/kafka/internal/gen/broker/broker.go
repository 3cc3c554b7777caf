// Package broker publishes to Apache Kafka and consumes from it.
//
// In go messages from the relay (Publish): acknowledged by all in-sync replicas, idempotent within a session, the
// key hashed to a partition as Kafka's own client does. Out come deliveries of one consumer group per subscription
// (Subscribe), one goroutine per partition, offsets committed after the handler. Both reconnect for ever; the broker
// need not be up when the service starts.
//
// What it does not do: it uses no Kafka transactions, for they cannot span the service's database. When Kafka does not
// answer, the outcome is reported as unknown and the relay sends the message again; the consumer may see it twice,
// with the same id. Order per key holds as long as the topic keeps its number of partitions.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

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
	errConnecting = errors.New("connecting to Kafka")
)

// Broker is the service's access to one Kafka cluster. Its methods may be called from any goroutine.
type Broker struct {
	cfg    Config
	source string
	log    *slog.Logger
	client *kgo.Client // the producer
	topics *topics

	ctx    context.Context // done when Close is called
	cancel context.CancelFunc
	done   sync.WaitGroup
	slots  chan struct{} // one for each message in flight

	closing sync.RWMutex // held for reading while a message is handed to the client
	mu      sync.Mutex
	err     error // what the last probe said
	health  map[Subscription]error
}

var _ outbox.Publisher = (*Broker)(nil)

// Open starts connecting for the service called source, and does not wait for it.
func Open(_ context.Context, cfg Config, source string, log *slog.Logger) (*Broker, error) {
	common, err := cfg.options(source, log)
	if err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	client, err := kgo.NewClient(append(common, cfg.producerOptions()...)...)
	if err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	if host := cfg.exposed(); host != "" {
		log.Warn("credentials go to Kafka without TLS: set KAFKA_TLS", "host", host)
	}
	// The broker lives until Close, not as long as the context of its start.
	ctx, cancel := context.WithCancel(context.Background())
	b := &Broker{
		cfg: cfg, source: source, log: log, client: client, topics: newTopics(cfg, client),
		ctx: ctx, cancel: cancel, slots: make(chan struct{}, cfg.Window),
		err: errConnecting, health: make(map[Subscription]error),
	}
	b.done.Go(b.probe)
	return b, nil
}

// Pipelines implements outbox.Publisher. The client fails everything that is buffered behind a failed record, but
// its answer comes later than the failure: a record of the same key that is handed over between the two goes through.
func (b *Broker) Pipelines() bool { return false }

// Publish implements outbox.Publisher. It waits while the window is full.
func (b *Broker) Publish(ctx context.Context, m *outbox.Message, done func(error)) {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		done(ctx.Err())
		return
	case <-b.ctx.Done():
		done(errClosed)
		return
	}
	if err := b.hand(ctx, m, done); err != nil {
		<-b.slots
		done(err)
	}
}

// hand gives m to the client, or says why not.
func (b *Broker) hand(ctx context.Context, m *outbox.Message, done func(error)) error {
	if err := b.topics.ensure(ctx, m.Topic); err != nil {
		return err
	}
	b.closing.RLock()
	defer b.closing.RUnlock()
	if b.ctx.Err() != nil { // the client would take it and never answer
		return errClosed
	}
	// Not the caller's context: it would recall a record that is on its way.
	b.client.Produce(context.Background(), record(m, b.source), func(r *kgo.Record, err error) {
		b.topics.notice(r.Topic, err)
		<-b.slots
		done(outcome(err))
	})
	return nil
}

// Status is nil when the cluster answered lately and every subscription is up.
func (b *Broker) Status() error {
	if b.ctx.Err() != nil {
		return errClosed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := []error{b.err}
	for sub, err := range b.health {
		if err != nil {
			errs = append(errs, fmt.Errorf("subscription %s: %w", groupName(sub), err))
		}
	}
	return errors.Join(errs...)
}

// Probes of the cluster, for Status only: publishing does not depend on them.
const (
	probeEvery = 5 * time.Second
	probeRetry = 500 * time.Millisecond
)

func (b *Broker) probe() {
	for {
		ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
		err := b.client.Ping(ctx)
		cancel()
		if b.ctx.Err() != nil {
			return
		}
		b.note(err)
		every := probeEvery
		if err != nil {
			every = probeRetry
		}
		timer := time.NewTimer(every)
		select {
		case <-b.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// note keeps what a probe said, and logs when that changes.
func (b *Broker) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil && b.err != nil:
		b.log.Info("connected to Kafka")
	case err != nil && (b.err == nil || errors.Is(b.err, errConnecting)):
		b.log.Warn("no connection to Kafka", "error", err)
	}
	b.err = err
}

// Close ends the connections. Messages still in flight are reported as of unknown outcome; every Subscribe returns.
// It waits until all is settled, or until ctx is done.
func (b *Broker) Close(ctx context.Context) error {
	b.cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.closing.Lock()
		defer b.closing.Unlock()
		b.client.Close()
		for range cap(b.slots) { // the last answers come from the client's own goroutine
			b.slots <- struct{}{}
		}
		for range cap(b.slots) {
			<-b.slots
		}
		b.done.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close broker: %w", ctx.Err())
	}
}
