package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	wkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const closeLimit = 10 * time.Second

// pooled opens an empty database of this turn.
func (b *bench) pooled(ctx context.Context, conns int) (*pgxpool.Pool, func(), error) {
	link, drop, err := b.postgresDatabase(ctx)
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", link, conns))
	if err != nil {
		drop()
		return nil, nil, err
	}
	return pool, func() { pool.Close(); drop() }, nil
}

// drainOagudo is set where the program is built with the tag oagudo (oagudo.go).
var drainOagudo func(ctx context.Context, b *bench, t target, c *counter, n int) (sample, error)

// The loop people write by hand: one table, one index, row locks held while the broker answers.
const (
	loopTable = `CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, key text NOT NULL,
		event_id uuid NOT NULL, type text NOT NULL, payload bytea NOT NULL, created_at timestamptz NOT NULL DEFAULT now())`
	loopInsert = `INSERT INTO events (topic, key, event_id, type, payload) VALUES ($1, $2, $3, $4, $5)`
	loopFill   = `INSERT INTO events (topic, key, event_id, type, payload)
		SELECT $1, (i % $2)::text, gen_random_uuid(), $3, $4 FROM generate_series(0, $5 - 1) AS i`
	loopSelect = `SELECT id, topic, key, event_id, type, payload, created_at FROM events ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED`
	loopDelete = `DELETE FROM events WHERE id = ANY ($1)`
)

func (b *bench) drainLoop(ctx context.Context, t target, c *counter, n, workers int) (sample, error) {
	pool, drop, err := b.pooled(ctx, workers)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if _, err := pool.Exec(ctx, loopTable); err != nil {
		return sample{}, err
	}
	if _, err := pool.Exec(ctx, loopFill, t.topic(), keys, placed("").Type, make([]byte, payload), n); err != nil {
		return sample{}, err
	}
	if _, err := pool.Exec(ctx, "VACUUM ANALYZE events"); err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop, err := runLoop(ctx, pool, t, workers, time.Second, func(*outbox.Message) { c.add() })
	if err != nil {
		cancel()
		return sample{}, err
	}
	s, err := c.await(ctx)
	cancel()
	if loopErr := stop(); err == nil {
		err = loopErr
	}
	return s, err
}

// runLoop runs the loop until ctx is done.
func runLoop(ctx context.Context, pool *pgxpool.Pool, t target, workers int, poll time.Duration, accepted func(*outbox.Message)) (stop func() error, err error) {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		send, err := t.sink()
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				n, err := loopOnce(ctx, pool, send, accepted)
				if err != nil {
					errs[i] = err
					return
				}
				if n == 0 {
					select {
					case <-time.After(poll):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	return func() error {
		wg.Wait()
		if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	}, nil
}

func loopOnce(ctx context.Context, pool *pgxpool.Pool, send func(context.Context, []outbox.Message) error, accepted func(*outbox.Message)) (int, error) {
	var batch []outbox.Message
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, loopSelect)
		if err != nil {
			return err
		}
		var ids []int64
		for rows.Next() {
			var id int64
			var m outbox.Message
			if err := rows.Scan(&id, &m.Topic, &m.Key, (*[16]byte)(&m.ID), &m.Type, &m.Payload, &m.CreatedAt); err != nil {
				return err
			}
			ids, batch = append(ids, id), append(batch, m)
		}
		if err := rows.Err(); err != nil || len(batch) == 0 {
			return err
		}
		if err := send(ctx, batch); err != nil {
			return err
		}
		for i := range batch {
			accepted(&batch[i])
		}
		_, err = tx.Exec(ctx, loopDelete, ids)
		return err
	})
	return len(batch), err
}

// forwarderTo is Watermill's publisher for a broker.
type forwarderTo func(t target) (message.Publisher, error)

func forwardToRabbit(t target) (message.Publisher, error) {
	cfg := wamqp.NewDurablePubSubConfig(t.(*rabbit).url, nil)
	cfg.Exchange.Type = "topic"
	cfg.Publish.GenerateRoutingKey = func(string) string { return placed("").Type }
	cfg.Publish.ConfirmDelivery, cfg.Publish.ChannelPoolSize = true, 4
	return wamqp.NewPublisher(cfg, watermill.NopLogger{})
}

func forwardToKafka(t target) (message.Publisher, error) {
	cfg := wkafka.DefaultSaramaSyncPublisherConfig()
	return wkafka.NewPublisher(wkafka.PublisherConfig{
		Brokers: t.(*topics).brokers, Marshaler: wkafka.DefaultMarshaler{}, OverwriteSaramaConfig: cfg,
	}, watermill.NopLogger{})
}

const forwarderTopic = "forward"

var (
	queueSchema = wsql.PostgreSQLQueueSchema{SubscribeBatchSize: 1000, GeneratePayloadType: func(string) string { return "JSON" }}
	queueAcks   = wsql.PostgreSQLQueueOffsetsAdapter{DeleteOnAck: true}
)

// toldPublisher tells of each message it has published.
type toldPublisher struct {
	message.Publisher
	accepted func(m *message.Message)
}

func (p toldPublisher) Publish(topic string, messages ...*message.Message) error {
	if err := p.Publisher.Publish(topic, messages...); err != nil {
		return err
	}
	for _, m := range messages {
		p.accepted(m)
	}
	return nil
}

// runWatermill runs a forwarder from pool's database to t until the returned function is called.
func runWatermill(ctx context.Context, pool *pgxpool.Pool, t target, to forwarderTo, accepted func(*message.Message)) (stop func() error, err error) {
	out, err := to(t)
	if err != nil {
		return nil, err
	}
	in, err := wsql.NewSubscriber(wsql.BeginnerFromPgx(pool), wsql.SubscriberConfig{
		SchemaAdapter: queueSchema, OffsetsAdapter: queueAcks, PollInterval: 10 * time.Millisecond,
	}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	f, err := forwarder.NewForwarder(in, toldPublisher{out, accepted}, watermill.NopLogger{}, forwarder.Config{
		ForwarderTopic: forwarderTopic, CloseTimeout: time.Second,
	})
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	<-f.Running()
	return func() error {
		_ = in.Close()
		_ = f.Close() // what it has in hand is of no interest
		<-done
		return out.Close()
	}, nil
}

// watermillTable makes the table, and returns what puts messages there.
func watermillTable(ctx context.Context, pool *pgxpool.Pool) error {
	queries, err := queueSchema.SchemaInitializingQueries(wsql.SchemaInitializingQueriesParams{Topic: forwarderTopic})
	if err != nil {
		return err
	}
	for _, q := range queries {
		if _, err := pool.Exec(ctx, q.Query, q.Args...); err != nil {
			return err
		}
	}
	return nil
}

// forwardVia returns a publisher into the outbox of a transaction or pool.
func forwardVia(db wsql.ContextExecutor) (message.Publisher, error) {
	p, err := wsql.NewPublisher(db, wsql.PublisherConfig{SchemaAdapter: queueSchema}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	return forwarder.NewPublisher(p, forwarder.PublisherConfig{ForwarderTopic: forwarderTopic}), nil
}

func (b *bench) drainWatermill(ctx context.Context, t target, c *counter, n int, to forwarderTo) (sample, error) {
	pool, drop, err := b.pooled(ctx, 4)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if err := watermillTable(ctx, pool); err != nil {
		return sample{}, err
	}
	in, err := forwardVia(wsql.BeginnerFromPgx(pool))
	if err != nil {
		return sample{}, err
	}
	// It is measured for as long as slowest allows, and does not get through more than this.
	for left := min(n, 30_000); left > 0; left -= 1000 {
		batch := make([]*message.Message, min(left, 1000))
		for i := range batch {
			batch[i] = message.NewMessage(uuid.NewString(), make([]byte, payload))
		}
		if err := in.Publish(t.topic(), batch...); err != nil {
			return sample{}, err
		}
	}
	if _, err := pool.Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return sample{}, err
	}
	c.want = int64(min(n, 30_000))
	stop, err := runWatermill(ctx, pool, t, to, func(*message.Message) { c.add() })
	if err != nil {
		return sample{}, err
	}
	s, err := c.await(ctx)
	return s, errors.Join(err, stop())
}

// eventArgs are the arguments of River's job.
type eventArgs struct {
	Key     string `json:"key"`
	Payload []byte `json:"payload"`
}

// Kind implements river.JobArgs.
func (eventArgs) Kind() string { return "event" }

type eventWorker struct {
	river.WorkerDefaults[eventArgs]
	t        target
	accepted func(*outbox.Message)
}

// Work publishes one event and waits for the broker.
func (w *eventWorker) Work(ctx context.Context, job *river.Job[eventArgs]) error {
	m := placed(job.Args.Key)
	m.Topic, m.Payload, m.ID, m.CreatedAt = w.t.topic(), job.Args.Payload, uuid.New(), job.CreatedAt
	if err := w.t.one(ctx, &m); err != nil {
		return err
	}
	w.accepted(&m)
	return nil
}

func newRiver(pool *pgxpool.Pool, t target, accepted func(*outbox.Message)) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &eventWorker{t: t, accepted: accepted})
	return river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2000}},
		FetchCooldown: 5 * time.Millisecond, FetchPollInterval: 10 * time.Millisecond,
		Workers: workers, Logger: slog.New(slog.DiscardHandler),
	})
}

func riverTables(ctx context.Context, pool *pgxpool.Pool) error {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (b *bench) drainRiver(ctx context.Context, t target, c *counter, n int) (sample, error) {
	pool, drop, err := b.pooled(ctx, 16)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if err := riverTables(ctx, pool); err != nil {
		return sample{}, err
	}
	client, err := newRiver(pool, t, func(*outbox.Message) { c.add() })
	if err != nil {
		return sample{}, err
	}
	// It is measured for as long as slowest allows, and does not get through more than this.
	c.want = int64(min(n, 30_000))
	for left := int(c.want); left > 0; left -= 5000 {
		jobs := make([]river.InsertManyParams, min(left, 5000))
		for i := range jobs {
			jobs[i].Args = eventArgs{Key: fmt.Sprint(i % keys), Payload: make([]byte, payload)}
		}
		if _, err := client.InsertManyFast(ctx, jobs); err != nil {
			return sample{}, err
		}
	}
	if _, err := pool.Exec(ctx, "VACUUM ANALYZE river_job"); err != nil {
		return sample{}, err
	}
	if err := client.Start(ctx); err != nil {
		return sample{}, err
	}
	s, err := c.await(ctx)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	return s, errors.Join(err, client.StopAndCancel(stop))
}
