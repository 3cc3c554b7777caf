package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	wsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"

	"github.com/svcgen/svcgen/templates/service/variant/postgres"
)

const (
	steadyTitle = "64 clients flat out, each transaction an order and an event"
	noRelay     = "no relay"
	relayOnly   = "svcgen relay, no broker"
	relayRabbit = "svcgen relay to a quorum queue on the same cores"
)

// steadyState measures what the relay takes from the transactions beside it, and whether it keeps up.
func steadyState(ctx context.Context, b *bench) error {
	t := &table{title: steadyTitle, columns: []column{rate, database, behind}}
	turn := func(open func(context.Context) (target, error)) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) { return b.steady(ctx, open) }
	}
	return b.interleave(ctx, t, []variant{
		{noRelay, turn(nil)},
		{relayOnly, turn(func(context.Context) (target, error) { return nowhere{rig.Unique("t")}, nil })},
		{relayRabbit, turn(func(ctx context.Context) (target, error) { return newRabbit(ctx, b.env.rabbitmq) })},
	})
}

func (b *bench) steady(ctx context.Context, open func(context.Context) (target, error)) (_ sample, err error) {
	const clients = 64
	db, drop, err := b.emittedOrders(ctx, clients)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	topic := "orders"
	var sent, emitted atomic.Int64
	if open != nil {
		t, err := open(ctx)
		if err != nil {
			return sample{}, err
		}
		defer t.close()
		topic = t.topic()
		stop, err := runRelay(ctx, db, told{t.publisher(), func(*outbox.Message) { sent.Add(1) }})
		if err != nil {
			return sample{}, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	began := time.Now()
	s, err := together(ctx, clients, b.lasts(4*time.Second), b.postgresServer(), func(ctx context.Context, n int64) error {
		err := db.InTx(ctx, func(ctx context.Context, tx *postgres.Tx) error {
			tx.Queue(pgInsert, "c", n)
			m := placed(fmt.Sprint(n))
			m.Topic = topic
			return tx.Emit(m)
		})
		emitted.Add(1)
		return err
	})
	if open != nil {
		s.Behind = float64(max(emitted.Load()-sent.Load(), 0)) / time.Since(began).Seconds()
	}
	return s, err
}

// orders is a database of this turn with a table of orders.
func (b *bench) orders(ctx context.Context, conns int) (*pgxpool.Pool, func(), error) {
	pool, drop, err := b.pooled(ctx, conns)
	if err != nil {
		return nil, nil, err
	}
	if _, err := pool.Exec(ctx, pgOrders); err != nil {
		drop()
		return nil, nil, err
	}
	return pool, drop, nil
}

// emittedOrders is the same behind the emitted store.
func (b *bench) emittedOrders(ctx context.Context, conns int) (*postgres.DB, func(), error) {
	db, drop, err := b.filled(ctx, "orders", 0, conns)
	if err != nil {
		return nil, nil, err
	}
	if _, err := db.Pool().Exec(ctx, pgOrders); err != nil {
		drop()
		return nil, nil, err
	}
	return db, drop, nil
}

const (
	latencyTitle = "From commit to confirm, 500 events a second, a quorum queue"
	rawConfirm   = "raw publish to confirm, no database"
	latencyRelay = "svcgen relay, defaults"
	latencyLoop  = "by hand: SKIP LOCKED, polls every 10 ms"
	latencyWater = "Watermill forwarder, polls every 10 ms"
	latencyRiver = "River, polls every 10 ms and is notified"
)

// paced measures the time from a commit, as its caller sees it, to the broker's acceptance.
type paced struct {
	committed, accepted []atomic.Int64 // unix nanoseconds, by number of the event
	left                atomic.Int64
	done                chan struct{}
}

func newPaced(n int) *paced {
	p := &paced{committed: make([]atomic.Int64, n), accepted: make([]atomic.Int64, n), done: make(chan struct{})}
	p.left.Store(int64(n))
	return p
}

func (p *paced) arrived(i int) {
	if i < 0 || i >= len(p.accepted) || !p.accepted[i].CompareAndSwap(0, time.Now().UnixNano()) {
		return
	}
	if p.left.Add(-1) == 0 {
		close(p.done)
	}
}

func (p *paced) key(key string) {
	if i, err := strconv.Atoi(key); err == nil {
		p.arrived(i)
	}
}

const (
	pace    = 500 // events a second
	clients = 16
)

// run commits at an even pace, whatever the answers take, and waits for the last event.
func (p *paced) run(ctx context.Context, commit func(ctx context.Context, i int) error) (sample, error) {
	n := len(p.committed)
	own, began := cpuTime(), time.Now()
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += clients {
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / pace)))
				errs[c] = commit(ctx, i)
				p.committed[i].Store(time.Now().UnixNano())
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return sample{}, err
	}
	took := time.Since(began)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		return sample{}, fmt.Errorf("%d events did not arrive", p.left.Load())
	case <-ctx.Done():
		return sample{}, ctx.Err()
	}
	waits := make([]time.Duration, 0, n)
	for i := n / 10; i < n; i++ { // the first tenth warms up
		waits = append(waits, max(time.Duration(p.accepted[i].Load()-p.committed[i].Load()), 0))
	}
	slices.Sort(waits)
	return sample{
		Rate: float64(n) / took.Seconds(), CPU: micros(cpuTime()-own) / float64(n),
		P50: millis(waits[len(waits)/2]), P99: millis(waits[len(waits)*99/100]),
	}, nil
}

// commitToConfirm measures latency at a rate that nobody finds hard.
func commitToConfirm(ctx context.Context, b *bench) error {
	n := int(b.lasts(6*time.Second).Seconds() * pace)
	with := func(f func(ctx context.Context, t *rabbit, p *paced) (sample, error)) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) {
			t, err := newRabbit(ctx, b.env.rabbitmq)
			if err != nil {
				return sample{}, err
			}
			defer t.close()
			return f(ctx, t.(*rabbit), newPaced(n))
		}
	}
	return b.interleave(ctx, &table{title: latencyTitle, columns: []column{p50, p99, ownCPU}}, []variant{
		{rawConfirm, with(rawLatency)},
		{latencyRelay, with(b.relayLatency)},
		{latencyLoop, with(b.loopLatency)},
		{latencyWater, with(b.watermillLatency)},
		{latencyRiver, with(b.riverLatency)},
	})
}

// rawLatency is what the broker alone takes: "committed" is when the message was handed over.
func rawLatency(ctx context.Context, t *rabbit, p *paced) (sample, error) {
	var confirms sync.WaitGroup
	defer confirms.Wait()
	return p.run(ctx, func(ctx context.Context, i int) error {
		m := identified(t.name, i)
		c, err := t.shared.PublishWithDeferredConfirmWithContext(ctx, m.Topic, m.Type, true, false, publishing(&m))
		if err != nil {
			return err
		}
		confirms.Go(func() {
			if c.Wait() {
				p.arrived(i)
			}
		})
		return nil
	})
}

func (b *bench) relayLatency(ctx context.Context, t *rabbit, p *paced) (sample, error) {
	db, drop, err := b.emittedOrders(ctx, clients)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	stop, err := runRelay(ctx, db, told{t.broker, func(m *outbox.Message) { p.key(m.Key) }})
	if err != nil {
		return sample{}, err
	}
	s, err := p.run(ctx, func(ctx context.Context, i int) error {
		return db.InTx(ctx, func(ctx context.Context, tx *postgres.Tx) error {
			if _, err := tx.Exec(ctx, pgInsert, "c", i); err != nil {
				return err
			}
			m := placed(fmt.Sprint(i))
			m.Topic = t.name
			return tx.Emit(m)
		})
	})
	return s, errors.Join(err, stop())
}

func (b *bench) loopLatency(ctx context.Context, t *rabbit, p *paced) (sample, error) {
	pool, drop, err := b.orders(ctx, clients+1)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if _, err := pool.Exec(ctx, loopTable); err != nil {
		return sample{}, err
	}
	running, cancel := context.WithCancel(ctx)
	stop, err := runLoop(running, pool, t, 1, 10*time.Millisecond, func(m *outbox.Message) { p.key(m.Key) })
	if err != nil {
		cancel()
		return sample{}, err
	}
	s, err := p.run(ctx, func(ctx context.Context, i int) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, pgInsert, "c", i); err != nil {
				return err
			}
			m := placed(fmt.Sprint(i))
			_, err := tx.Exec(ctx, loopInsert, t.name, m.Key, uuid.New(), m.Type, m.Payload)
			return err
		})
	})
	cancel()
	return s, errors.Join(err, stop())
}

func (b *bench) watermillLatency(ctx context.Context, t *rabbit, p *paced) (sample, error) {
	pool, drop, err := b.orders(ctx, clients+2)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if err := watermillTable(ctx, pool); err != nil {
		return sample{}, err
	}
	stop, err := runWatermill(ctx, pool, t, forwardToRabbit, func(m *message.Message) { p.key(m.Metadata.Get("key")) })
	if err != nil {
		return sample{}, err
	}
	s, err := p.run(ctx, func(ctx context.Context, i int) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, pgInsert, "c", i); err != nil {
				return err
			}
			in, err := forwardVia(wsql.TxFromPgx(tx))
			if err != nil {
				return err
			}
			m := message.NewMessage(uuid.NewString(), make([]byte, payload))
			m.Metadata.Set("key", strconv.Itoa(i))
			return in.Publish(t.name, m)
		})
	})
	return s, errors.Join(err, stop())
}

func (b *bench) riverLatency(ctx context.Context, t *rabbit, p *paced) (sample, error) {
	pool, drop, err := b.orders(ctx, clients+8)
	if err != nil {
		return sample{}, err
	}
	defer drop()
	if err := riverTables(ctx, pool); err != nil {
		return sample{}, err
	}
	client, err := newRiver(pool, t, func(m *outbox.Message) { p.key(m.Key) })
	if err != nil {
		return sample{}, err
	}
	if err := client.Start(ctx); err != nil {
		return sample{}, err
	}
	s, err := p.run(ctx, func(ctx context.Context, i int) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, pgInsert, "c", i); err != nil {
				return err
			}
			_, err := client.InsertTx(ctx, tx, eventArgs{Key: strconv.Itoa(i), Payload: make([]byte, payload)}, nil)
			return err
		})
	})
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	return s, errors.Join(err, client.StopAndCancel(stop))
}
