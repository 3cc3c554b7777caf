package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/svcgen/svcgen/templates/service/variant/postgres"
)

// Variants of emptying an outbox into a broker.
const (
	raw       = "raw client, same messages, sliding window; no database"
	relay     = "svcgen relay, defaults"
	loopOne   = "by hand: SKIP LOCKED, batches of 1000, 1 worker"
	loopTwo   = "by hand: SKIP LOCKED, batches of 1000, 2 workers"
	waterName = "Watermill forwarder, delete on ack, batches of 1000"
	riverName = "River, 2000 workers"
	oagudo    = "oagudo/outbox, batches of 1000"
)

const (
	drainRabbit = "Drain to RabbitMQ, a quorum queue"
	drainTopics = "Drain to Kafka, one node, acks=all"
)

// slowest is after how long a variant that is not done yet has been measured long enough.
const slowest = 5 * time.Second

// keys is how many keys the events of a backlog share.
const keys = 10_000

// counter is told of each event that a broker has accepted, and knows when the last one was.
type counter struct {
	want  int64
	n     atomic.Int64
	first atomic.Int64 // unix nanoseconds
	cpu   atomic.Int64
	done  chan struct{}
}

func newCounter(want int) *counter { return &counter{want: int64(want), done: make(chan struct{})} }

func (c *counter) add() {
	switch c.n.Add(1) {
	case 1:
		c.cpu.Store(int64(cpuTime()))
		c.first.Store(time.Now().UnixNano())
	case c.want:
		close(c.done)
	}
}

// await returns the rate from the first acceptance to the last, or to the moment that was long enough. Start-up is
// not in it.
func (c *counter) await(ctx context.Context) (sample, error) {
	slow := time.NewTimer(slowest + time.Second)
	defer slow.Stop()
	select {
	case <-c.done:
	case <-slow.C:
	case <-ctx.Done():
		return sample{}, ctx.Err()
	}
	n := float64(min(c.n.Load(), c.want) - 1)
	if n < 1 {
		return sample{}, errors.New("nothing arrived")
	}
	took := time.Since(time.Unix(0, c.first.Load()))
	return sample{Rate: n / took.Seconds(), CPU: micros(cpuTime()-time.Duration(c.cpu.Load())) / n}, nil
}

// target is a broker as a drain sees it: a topic of this turn, and ways to publish there.
type target interface {
	topic() string
	// publisher is the emitted broker.
	publisher() outbox.Publisher
	// raw publishes n messages as fast as the client does with a sliding window.
	raw(ctx context.Context, n int, accepted func()) error
	// sink returns a way to publish a batch and wait for all answers, for one worker of a hand-written loop.
	sink() (func(ctx context.Context, batch []outbox.Message) error, error)
	// one publishes one message and waits; it may be called from many goroutines.
	one(ctx context.Context, m *outbox.Message) error
	close()
}

// drain measures every way to empty a backlog of n events into a target of its own.
func (b *bench) drain(ctx context.Context, title string, n int, open func(context.Context) (target, error), forwarder forwarderTo) error {
	with := func(f func(ctx context.Context, t target, c *counter) (sample, error)) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) {
			t, err := open(ctx)
			if err != nil {
				return sample{}, err
			}
			defer t.close()
			return f(ctx, t, newCounter(n))
		}
	}
	loop := func(workers int) func(context.Context) (sample, error) {
		return with(func(ctx context.Context, t target, c *counter) (sample, error) {
			return b.drainLoop(ctx, t, c, n, workers)
		})
	}
	variants := []variant{
		{raw, with(func(ctx context.Context, t target, c *counter) (sample, error) {
			ctx, cancel := context.WithCancel(ctx)
			failed := make(chan error, 1)
			go func() { failed <- t.raw(ctx, n, c.add) }()
			s, err := c.await(ctx)
			cancel()
			if rawErr := <-failed; rawErr != nil && !errors.Is(rawErr, context.Canceled) {
				err = errors.Join(err, rawErr)
			}
			return s, err
		})},
		{relay, with(func(ctx context.Context, t target, c *counter) (sample, error) {
			return b.drainRelay(ctx, t, c, n, false)
		})},
		{loopOne, loop(1)},
		{loopTwo, loop(2)},
		{waterName, with(func(ctx context.Context, t target, c *counter) (sample, error) {
			return b.drainWatermill(ctx, t, c, n, forwarder)
		})},
		{riverName, with(func(ctx context.Context, t target, c *counter) (sample, error) { return b.drainRiver(ctx, t, c, n) })},
	}
	if drainOagudo != nil {
		variants = append(variants, variant{oagudo, with(func(ctx context.Context, t target, c *counter) (sample, error) {
			return drainOagudo(ctx, b, t, c, n)
		})})
	}
	t := &table{title: title, columns: []column{rate, ownCPU}}
	if drainOagudo == nil {
		t.notes = append(t.notes, "oagudo/outbox is left out: this program was built without the tag oagudo.")
	}
	return b.interleave(ctx, t, variants)
}

func drainRabbitMQ(ctx context.Context, b *bench) error {
	return b.drain(ctx, drainRabbit, b.amount(60_000), func(ctx context.Context) (target, error) { return newRabbit(ctx, b.env.rabbitmq) }, forwardToRabbit)
}

func drainKafka(ctx context.Context, b *bench) error {
	return b.drain(ctx, drainTopics, b.amount(200_000), func(ctx context.Context) (target, error) { return newKafka(ctx, b.env.kafka) }, forwardToKafka)
}

// filled opens a database of this turn with n events that wait.
func (b *bench) filled(ctx context.Context, topic string, n, conns int) (*postgres.DB, func(), error) {
	link, drop, err := b.postgresDatabase(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := postgres.Open(ctx, link, conns, 0)
	if err == nil {
		err = fill(ctx, db, topic, n)
	}
	if err != nil {
		drop()
		return nil, nil, err
	}
	return db, func() {
		_ = db.Close() // the database goes with it
		drop()
	}, nil
}

func fill(ctx context.Context, db *postgres.DB, topic string, n int) error {
	for i := 0; i < n; {
		err := db.InTx(ctx, func(_ context.Context, tx *postgres.Tx) error {
			for range 2000 {
				if i == n {
					return nil
				}
				m := placed(fmt.Sprint(i % keys))
				m.Topic = topic
				if err := tx.Emit(m); err != nil {
					return err
				}
				i++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	// What a service that has run for a while has: statistics, and no half of the table still to be hinted.
	_, err := db.Pool().Exec(ctx, "VACUUM ANALYZE outbox")
	return err
}

// told is a publisher that tells of each acceptance.
type told struct {
	outbox.Publisher
	accepted func(m *outbox.Message)
}

func (t told) Publish(ctx context.Context, m *outbox.Message, done func(error)) {
	t.Publisher.Publish(ctx, m, func(err error) {
		done(err)
		if err == nil {
			t.accepted(m)
		}
	})
}

// runRelay runs the emitted relay with its defaults until the returned function is called.
func runRelay(ctx context.Context, db *postgres.DB, p outbox.Publisher) (stop func() error, err error) {
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	r, err := outbox.NewRelay(db.Queue(), p, outbox.Config{}, slog.New(slog.DiscardHandler), meters.Meter("outbox"))
	if err != nil {
		return nil, err
	}
	db.OnCommit(r.Wake)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() error { cancel(); return <-done }, nil
}

func (b *bench) drainRelay(ctx context.Context, t target, c *counter, n int, held bool) (sample, error) {
	db, drop, err := b.filled(ctx, t.topic(), n, 16)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if held {
		conn, err := db.Pool().Acquire(ctx)
		if err != nil {
			return sample{}, err
		}
		defer conn.Release()
		report, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return sample{}, err
		}
		defer func() { _ = report.Rollback(context.WithoutCancel(ctx)) }()
		var rows int64
		if err := report.QueryRow(ctx, "SELECT count(*) FROM outbox").Scan(&rows); err != nil {
			return sample{}, err
		}
	}
	server := b.postgresServer()
	before := server.cpu()
	stop, err := runRelay(ctx, db, told{t.publisher(), func(*outbox.Message) { c.add() }})
	if err != nil {
		return sample{}, err
	}
	s, err := c.await(ctx)
	if stopped := stop(); err == nil {
		err = stopped
	}
	s.Database = micros(server.cpu()-before) / float64(n)
	return s, err
}

// nowhere accepts everything at once.
type nowhere struct{ name string }

func (n nowhere) topic() string                                                  { return n.name }
func (n nowhere) publisher() outbox.Publisher                                    { return n }
func (n nowhere) Pipelines() bool                                                { return false }
func (n nowhere) Publish(_ context.Context, _ *outbox.Message, done func(error)) { done(nil) }
func (n nowhere) close()                                                         {}
func (n nowhere) one(context.Context, *outbox.Message) error                     { return nil }
func (n nowhere) raw(context.Context, int, func()) error                         { return nil }
func (n nowhere) sink() (func(context.Context, []outbox.Message) error, error) {
	return func(context.Context, []outbox.Message) error { return nil }, nil
}

const (
	snapshotTitle = "Drain with a snapshot held open, no broker"
	quiet         = "svcgen relay"
	held          = "svcgen relay, beside a long report"
)

// heldSnapshot measures what a long report or a backup costs the relay: deleted rows cannot be removed beside it.
func heldSnapshot(ctx context.Context, b *bench) error {
	n := b.amount(200_000)
	turn := func(hold bool) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) {
			return b.drainRelay(ctx, nowhere{rig.Unique("t")}, newCounter(n), n, hold)
		}
	}
	return b.interleave(ctx, &table{title: snapshotTitle, columns: []column{rate, ownCPU, database}}, []variant{
		{quiet, turn(false)}, {held, turn(true)},
	})
}
