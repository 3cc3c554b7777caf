package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

// Variants of a durable write on SQLite.
const (
	alone     = "by hand: a transaction a request"
	perCaller = "svcgen InTx with DATABASE_SHARE_COMMIT=0"
	shared    = "svcgen InTx, shared commits (default)"
)

func sqliteTitle(clients int) string {
	return fmt.Sprintf("SQLite, synchronous=FULL, order and event, %d clients", clients)
}

// sharedCommits measures what sharing an fsync is worth. Each turn has a file of its own.
func sharedCommits(ctx context.Context, b *bench) error {
	for _, clients := range []int{16, 64} {
		emitted := func(share time.Duration) func(context.Context) (sample, error) {
			return func(ctx context.Context) (sample, error) { return b.sqlite(ctx, clients, share, false) }
		}
		t := &table{title: sqliteTitle(clients), columns: []column{rate, ownCPU}}
		if err := b.interleave(ctx, t, []variant{
			{alone, func(ctx context.Context) (sample, error) { return b.sqlite(ctx, clients, 0, true) }},
			{perCaller, emitted(0)},
			{shared, emitted(5 * time.Millisecond)},
		}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) sqlite(ctx context.Context, clients int, share time.Duration, byHand bool) (sample, error) {
	// Where TMPDIR is in memory an fsync costs nothing, and neither does one of the servers.
	dir, err := os.MkdirTemp("", "svcgen-bench-")
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "bench.db")
	db, err := openSQLite(ctx, file, share)
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = db.Close() }() // the file goes with it
	if err := db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, total INTEGER)")
		return err
	}); err != nil {
		return sample{}, err
	}
	write := func(ctx context.Context, n int64) error {
		return db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
			if _, err := tx.ExecContext(ctx, anInsert, "c", n); err != nil {
				return err
			}
			return tx.Emit(placed(fmt.Sprint(n)))
		})
	}
	if byHand {
		one, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
		if err != nil {
			return sample{}, err
		}
		defer func() { _ = one.Close() }()
		one.SetMaxOpenConns(1) // SQLite has one writer; waiting here is cheaper than in its busy handler
		write = func(ctx context.Context, n int64) error {
			tx, err := one.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }() // after a commit it does nothing
			if _, err := tx.ExecContext(ctx, anInsert, "c", n); err != nil {
				return err
			}
			m, id := placed(fmt.Sprint(n)), uuid.New()
			if _, err := tx.ExecContext(ctx, "INSERT INTO outbox (topic, key, event_id, type, payload) VALUES (?, ?, ?, ?, ?)",
				m.Topic, m.Key, id[:], m.Type, m.Payload); err != nil {
				return err
			}
			return tx.Commit()
		}
	}
	return together(ctx, clients, b.lasts(time.Second), nil, write)
}

func openSQLite(ctx context.Context, file string, share time.Duration) (*store.DB, error) {
	db, err := store.Open(ctx, store.Config{URL: file, Readers: 4, Busy: 5 * time.Second, Share: share}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return db, db.Migrate(ctx, migrations.FS)
}
