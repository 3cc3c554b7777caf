// Package store is the service's MySQL or MariaDB database: transactions that carry events, the outbox table the
// relay reads, migrations.
//
// In go functions that run inside a transaction (InTx); out come their rows and, if and only if the transaction
// commits, the events they emitted. The package does not publish events; that is the relay's work (package
// outbox), which sees the table through Queue.
//
// A transaction costs one round trip more than the statements in it: on connections of InTx alone autocommit is off, so
// none is needed to begin, and on MariaDB the outbox rows are one compound statement with COMMIT. MySQL has no such
// statement outside of a procedure: events cost a round trip of their own there. Several statements in one command,
// which would let an injected one in too, are off throughout.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// DB is one database. Its methods may be called from any goroutine.
type DB struct {
	own     *sql.DB // of InTx alone
	pool    *sql.DB // for the caller
	queue   *Queue  // on connections of its own
	acquire time.Duration
	closed  atomic.Bool
	cfg     Config
	log     *slog.Logger

	mu       sync.Mutex
	onCommit []func()
}

// Open prepares the database of cfg. It connects at first use, so the server need not be up yet.
func Open(_ context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	m, err := cfg.options()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	business, err := newConnector(m, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	own, err := newConnector(m, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	own.own = true
	// At the default level a DELETE locks the gaps between ids as well, and with them the inserts of others.
	relay, err := newConnector(m, cfg, log, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{own: pool(own, max(cfg.MaxConns, 1)), pool: pool(business, max(cfg.PoolConns, 1)), acquire: cfg.AcquireTimeout, cfg: cfg, log: log}
	db.queue = &Queue{pool: pool(relay, max(cfg.RelayConns, 1)), committed: db.Committed}
	return db, nil
}

// idleTime is below the time after which servers and what is between them and us drop idle connections.
const idleTime = 5 * time.Minute

// lifeTime lets connections that are always busy find what has changed, such as another server behind a name.
const lifeTime = time.Hour

func pool(c *connector, size int) *sql.DB {
	p := sql.OpenDB(c)
	p.SetMaxOpenConns(size)
	p.SetMaxIdleConns(size)
	p.SetConnMaxIdleTime(idleTime)
	p.SetConnMaxLifetime(lifeTime)
	return p
}

// Pool returns connections for queries outside a transaction and for transactions of the caller's own. Those of InTx
// are others, which have autocommit off.
func (db *DB) Pool() *sql.DB { return db.pool }

// Queue returns the outbox of db.
func (db *DB) Queue() *Queue { return db.queue }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	// On the relay's pool: a pool emptied by slow requests is not a database that is down.
	if err := db.queue.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// OnCommit registers f to be called after every commit that carried events; it wakes the relay. f must not block.
func (db *DB) OnCommit(f func()) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.onCommit = append(db.onCommit, f)
}

// Committed wakes the relay, as InTx does by itself; call it after committing a transaction that went through
// Enqueue. Without the call the relay finds the events at its next poll.
func (db *DB) Committed() {
	db.mu.Lock()
	hooks := db.onCommit
	db.mu.Unlock()
	for _, f := range hooks {
		f()
	}
}

// Close closes all connections.
func (db *DB) Close() error {
	db.closed.Store(true)
	return errors.Join(db.own.Close(), db.pool.Close(), db.queue.pool.Close())
}
