package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrateTimeouts replace those of requests: a migration may take its time, but it must not queue for a lock
// that every request then waits behind. A migration that needs longer sets its own.
var migrateTimeouts = map[string]string{
	"statement_timeout":                   "0",
	"idle_in_transaction_session_timeout": "0",
	"lock_timeout":                        "5s",
}

// Migrate applies the SQL files of fsys that have not been applied yet. Replicas that start together wait for
// the first one, on a session lock, or on a lock table behind a pooler. Run it before the first transaction.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) (err error) {
	cfg := db.pool.Config().ConnConfig.Copy()
	if !db.pooler {
		maps.Copy(cfg.RuntimeParams, migrateTimeouts)
	}
	conns := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, conns.Close()) }()
	p, err := db.provider(conns, fsys)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", explain(err))
	}
	return nil
}

func (db *DB) provider(conns *sql.DB, fsys fs.FS) (*goose.Provider, error) {
	// Asked for often, for five minutes; the defaults of 5 s make eight replicas take ten.
	var one goose.ProviderOption
	if db.pooler {
		l, err := lock.NewPostgresTableLocker(lock.WithTableLockTimeout(500*time.Millisecond, 600))
		if err != nil {
			return nil, err
		}
		one = goose.WithLocker(l)
	} else {
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, err
		}
		one = goose.WithSessionLocker(l)
	}
	return goose.NewProvider(goose.DialectPostgres, conns, fsys, one, goose.WithSlog(db.log), goose.WithDisableGlobalRegistry(true))
}
