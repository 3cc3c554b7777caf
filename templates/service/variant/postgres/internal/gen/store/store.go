// Package store is the service's PostgreSQL database: transactions that carry events, the outbox table the relay
// reads, migrations.
//
// In go functions that run inside a transaction (InTx); out come their rows and, if and only if the transaction
// commits, the events they emitted. The package does not publish events; that is the relay's work (package
// outbox), which sees the table through Queue.
//
// A transaction costs one round trip more than the statements in it: BEGIN travels with the first statement,
// the outbox rows with COMMIT. What is queued costs none (Tx.Queue), and calls that only queue may share commits
// (share.go). Nothing in it notifies, triggers or takes an advisory lock: a NOTIFY would serialise all commits of the
// database.
package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is one PostgreSQL database. Its methods may be called from any goroutine.
type DB struct {
	pool    *pgxpool.Pool // business transactions
	queue   *Queue        // on connections of its own
	acquire time.Duration
	share   *sharer // nil: every transaction alone
	pooler  bool
	warned  sync.Once
	log     *slog.Logger

	mu       sync.Mutex
	onCommit []func()
}

// Open prepares the database of cfg. It connects at first use, so the server need not be up yet.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	business, err := cfg.business()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	relay, err := cfg.relay()
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// The pools outlive the call; a ctx that ends would stop them from keeping MinConns.
	ctx = context.WithoutCancel(ctx)
	db := &DB{acquire: cfg.AcquireTimeout, pooler: cfg.Pooler, log: log}
	business.AfterConnect = db.greet
	if db.pool, err = pgxpool.NewWithConfig(ctx, business); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if cfg.ShareCommit > 0 {
		db.share = &sharer{db: db, limit: cfg.ShareCommit}
	}
	if db.queue, err = newQueue(ctx, relay, cfg.Pooler, db.Committed, log); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// Pool returns the pool of business connections, for queries outside a transaction and for transactions of the
// caller's own.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Queue returns the outbox of db.
func (db *DB) Queue() *Queue { return db.queue }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	// On the relay's pool: a pool emptied by slow requests is not a database that is down.
	if err := db.queue.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping database: %w", explain(err))
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

// Close waits for the transactions under way and closes all connections.
func (db *DB) Close() error {
	db.pool.Close()
	db.queue.pool.Close()
	return nil
}
