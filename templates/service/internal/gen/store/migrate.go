package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Migrate applies the SQL files of fsys that have not been applied yet. Run it before the first transaction.
// Processes that start together take turns.
func (db *DB) Migrate(ctx context.Context, fsys fs.FS) (err error) {
	unlock, err := db.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	p, err := goose.NewProvider(goose.DialectSQLite3, db.write, fsys,
		goose.WithSlog(db.log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockMigrations keeps other processes from migrating the same file. goose works in several transactions, so the
// lock cannot be one in the database itself: it is SQLite's lock on an empty database beside it, which ends with
// the process however that ends.
func (db *DB) lockMigrations(ctx context.Context) (unlock func() error, err error) {
	c, err := connector(db.file+".migrate", "rwc", "busy_timeout(60000)")
	if err != nil {
		return nil, err
	}
	lock := sql.OpenDB(c)
	tx, err := lock.BeginTx(ctx, nil) // immediate: takes the write lock
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for another process's migration: %w", err), lock.Close())
	}
	return func() error { return errors.Join(ignoreDone(tx.Rollback()), lock.Close()) }, nil
}

// ignoreDone forgives ending a transaction that a cancelled context has ended.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}
