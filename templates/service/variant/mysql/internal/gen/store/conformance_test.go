package store

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store/storetest"
	"github.com/svcgen/svcgen/templates/service/variant/mysql/migrations"
	"github.com/svcgen/svcgen/test/rig"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{Leased: true, Fresh: func(t testing.TB) func(testing.TB) storetest.Store {
		cfg := testConfig(rig.MySQL(t))
		return func(t testing.TB) storetest.Store { return adapter{open(t, cfg)} }
	}})
}

func testConfig(url string) Config {
	return Config{
		URL: url, MaxConns: 10, PoolConns: 10, RelayConns: 3, Compound: true, AcquireTimeout: 30 * time.Second, ConnectTimeout: 30 * time.Second,
		StatementTimeout: 30 * time.Second, LockTimeout: 30 * time.Second,
	}
}

func open(t testing.TB, cfg Config) *DB {
	t.Helper()
	db, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// migrated opens an empty database with the schema and a table of the caller's own; it is closed with the test.
func migrated(t testing.TB, cfg Config) *DB {
	t.Helper()
	db := open(t, cfg)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool().ExecContext(t.Context(), `CREATE TABLE counter (name VARCHAR(64) PRIMARY KEY, n BIGINT NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	return db
}

type adapter struct{ *DB }

func (a adapter) InTx(ctx context.Context, fn func(context.Context, storetest.Tx) error) error {
	return a.DB.InTx(ctx, func(ctx context.Context, tx *Tx) error { return fn(ctx, txAdapter{tx}) })
}

func (a adapter) Own(ctx context.Context, msgs ...outbox.Message) error {
	tx, err := a.Pool().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := a.Enqueue(ctx, tx, msgs...); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (a adapter) Migrate(ctx context.Context) error { return a.DB.Migrate(ctx, migrations.FS) }
func (a adapter) Queue() storetest.Queue            { return a.DB.Queue() }
func (a adapter) Unavailable(err error) bool        { return Unavailable(err) }

type txAdapter struct{ *Tx }

func (a txAdapter) Exec(ctx context.Context, query string) error {
	_, err := a.ExecContext(ctx, query)
	return err
}

func (a txAdapter) Int(ctx context.Context, query string) (n int64, err error) {
	err = a.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}
