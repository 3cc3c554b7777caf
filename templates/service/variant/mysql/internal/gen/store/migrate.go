package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrate applies the SQL files of fsys that have not been applied yet. Replicas that start together wait for
// the first one, on a row of a lock table. A statement may take its time, but must not queue for a lock that
// every request then waits behind. Run it before the first transaction.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) (err error) {
	cfg := db.cfg
	cfg.StatementTimeout = 0
	m, err := cfg.options()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	c, err := newConnector(m, cfg, db.log, "SET SESSION lock_wait_timeout = 5")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	conns := sql.OpenDB(c)
	defer func() { err = errors.Join(err, conns.Close()) }()
	// Asked for often, for five minutes; the default of 5 s makes eight replicas take ten.
	locker, err := lock.NewMySQLTableLocker(lock.WithTableLockTimeout(500*time.Millisecond, 600))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectMySQL, conns, fsys, goose.WithLocker(locker),
		goose.WithSlog(db.log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
