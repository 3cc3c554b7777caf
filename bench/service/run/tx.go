package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"

	mystore "github.com/svcgen/svcgen/templates/service/variant/mysql"
	"github.com/svcgen/svcgen/templates/service/variant/postgres"
)

// payload is the size of an event.
const payload = 300

func placed(key string) outbox.Message {
	return outbox.Message{Topic: "orders", Key: key, Type: "acme.v1.OrderPlaced", Payload: make([]byte, payload)}
}

// postgresDatabase is an empty database of one turn or table.
func (b *bench) postgresDatabase(ctx context.Context) (string, func(), error) {
	u, err := url.Parse(b.env.postgres)
	if err != nil {
		return "", nil, err
	}
	admin, err := pgx.Connect(ctx, b.env.postgres)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = admin.Close(ctx) }() // of the benchmark's own
	name := rig.Unique("bench")
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		admin, err := pgx.Connect(ctx, b.env.postgres)
		if err == nil {
			_, err = admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
			_ = admin.Close(ctx)
		}
		if err != nil {
			printf(b.log, "bench: drop database: %v\n", err)
		}
	}, nil
}

const (
	pgOrders = `CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text, total int)`
	pgInsert = `INSERT INTO orders (customer, total) VALUES ($1, $2)`
	// What people write by hand; the emitted table, so that the same index and columns are paid for.
	pgOutbox = `INSERT INTO outbox (shard, topic, key, event_id, type, payload, traceparent) VALUES ($1, $2, $3, $4, $5, $6, '')`
)

// postgresServer is the server's processes.
func (b *bench) postgresServer() *processes {
	u, err := url.Parse(b.env.postgres)
	if err != nil {
		return nil
	}
	return listening("-p", u.Port())
}

var txColumns = []column{rate, ownCPU, database}

func txTitle(server string, clients int) string {
	return fmt.Sprintf("Transaction on %s, %d clients", server, clients)
}

// Variants of a transaction that writes one order.
const (
	byHand       = "by hand: BEGIN, INSERT, COMMIT; no event"
	byHandOutbox = "by hand: BEGIN, INSERT, INSERT outbox, COMMIT"
	autocommit   = "by hand: INSERT alone, no event"
	inTx         = "svcgen InTx: tx.Exec, Emit"
	inTxQueued   = "svcgen InTx: tx.Queue, Emit"
	inTxShared   = "svcgen InTx: tx.Queue, Emit, DATABASE_SHARE_COMMIT=64"
	inTxSilent   = "svcgen InTx: tx.Exec, no event"
)

// txPostgres measures one order insert with one event. Orders and outbox are emptied before each turn.
func txPostgres(ctx context.Context, b *bench) error {
	for _, clients := range []int{1, 16, 64} {
		if err := b.txPostgres(ctx, clients); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) txPostgres(ctx context.Context, clients int) error {
	link, drop, err := b.postgresDatabase(ctx)
	if err != nil {
		return err
	}
	defer drop()
	db, err := postgres.Open(ctx, link, clients, 0)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the database goes with it
	sharing, err := postgres.Open(ctx, link, clients, 64)
	if err != nil {
		return err
	}
	defer func() { _ = sharing.Close() }()
	pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", link, clients))
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, pgOrders); err != nil {
		return err
	}
	hand := func(outbox bool) func(context.Context, int64) error {
		return func(ctx context.Context, n int64) error {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, pgInsert, "c", n); err != nil {
				return err
			}
			if outbox {
				m := placed(fmt.Sprint(n))
				if _, err := tx.Exec(ctx, pgOutbox, 1, m.Topic, m.Key, uuid.New(), m.Type, m.Payload); err != nil {
					return err
				}
			}
			return tx.Commit(ctx)
		}
	}
	emitted := func(db *postgres.DB, queue, event bool) func(context.Context, int64) error {
		return func(ctx context.Context, n int64) error {
			return db.InTx(ctx, func(ctx context.Context, tx *postgres.Tx) error {
				if queue {
					tx.Queue(pgInsert, "c", n)
				} else if _, err := tx.Exec(ctx, pgInsert, "c", n); err != nil {
					return err
				}
				if !event {
					return nil
				}
				return tx.Emit(placed(fmt.Sprint(n)))
			})
		}
	}
	server := b.postgresServer()
	turn := func(name string, f func(context.Context, int64) error) variant {
		return variant{name, func(ctx context.Context) (sample, error) {
			if _, err := pool.Exec(ctx, "TRUNCATE orders, outbox"); err != nil {
				return sample{}, err
			}
			return together(ctx, clients, b.lasts(time.Second), server, f)
		}}
	}
	return b.interleave(ctx, &table{title: txTitle("PostgreSQL", clients), columns: txColumns}, []variant{
		turn(byHand, hand(false)),
		turn(byHandOutbox, hand(true)),
		turn(autocommit, func(ctx context.Context, n int64) error {
			_, err := pool.Exec(ctx, pgInsert, "c", n)
			return err
		}),
		turn(inTx, emitted(db, false, true)),
		turn(inTxQueued, emitted(db, true, true)),
		turn(inTxShared, emitted(sharing, true, true)),
		turn(inTxSilent, emitted(db, false, false)),
	})
}

const (
	myOrders = `CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer TEXT, total INT)`
	anInsert = `INSERT INTO orders (customer, total) VALUES (?, ?)`
	myOutbox = "INSERT INTO outbox (shard, topic, `key`, event_id, type, payload, traceparent, created_at) VALUES (?, ?, ?, ?, ?, ?, '', UTC_TIMESTAMP(6))"
)

// txMariaDB is the same on MariaDB.
func txMariaDB(ctx context.Context, b *bench) error {
	for _, clients := range []int{1, 16, 64} {
		if err := b.txMariaDB(ctx, clients); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) txMariaDB(ctx context.Context, clients int) error {
	cfg, err := mysql.ParseDSN(b.env.mysql)
	if err != nil {
		return err
	}
	admin, err := sql.Open("mysql", b.env.mysql)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }() // of the benchmark's own
	cfg.DBName = rig.Unique("bench")
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+cfg.DBName); err != nil {
		return err
	}
	defer func() { _, _ = admin.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+cfg.DBName) }()
	db, err := mystore.Open(ctx, cfg.FormatDSN(), clients)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the database goes with it
	// The emitted store sets it too: without, each statement is prepared first.
	cfg.InterpolateParams = true
	pool, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }()
	pool.SetMaxOpenConns(clients)
	pool.SetMaxIdleConns(clients)
	if _, err := pool.ExecContext(ctx, myOrders); err != nil {
		return err
	}
	hand := func(outbox bool) func(context.Context, int64) error {
		return func(ctx context.Context, n int64) error {
			tx, err := pool.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, anInsert, "c", n); err != nil {
				return err
			}
			if outbox {
				m, id := placed(fmt.Sprint(n)), uuid.New()
				if _, err := tx.ExecContext(ctx, myOutbox, 1, m.Topic, []byte(m.Key), id[:], m.Type, m.Payload); err != nil {
					return err
				}
			}
			return tx.Commit()
		}
	}
	server := listening("--port=" + portOf(cfg.Addr))
	turn := func(name string, f func(context.Context, int64) error) variant {
		return variant{name, func(ctx context.Context) (sample, error) {
			for _, t := range []string{"orders", "outbox"} {
				if _, err := pool.ExecContext(ctx, "TRUNCATE "+t); err != nil {
					return sample{}, err
				}
			}
			return together(ctx, clients, b.lasts(time.Second), server, f)
		}}
	}
	return b.interleave(ctx, &table{title: txTitle("MariaDB", clients), columns: txColumns}, []variant{
		turn(byHand, hand(false)),
		turn(byHandOutbox, hand(true)),
		turn(autocommit, func(ctx context.Context, n int64) error {
			_, err := pool.ExecContext(ctx, anInsert, "c", n)
			return err
		}),
		turn(inTx, func(ctx context.Context, n int64) error {
			return db.InTx(ctx, func(ctx context.Context, tx *mystore.Tx) error {
				if _, err := tx.ExecContext(ctx, anInsert, "c", n); err != nil {
					return err
				}
				return tx.Emit(placed(fmt.Sprint(n)))
			})
		}),
	})
}

func portOf(addr string) string {
	u, err := url.Parse("tcp://" + addr)
	if err != nil {
		return ""
	}
	return u.Port()
}
