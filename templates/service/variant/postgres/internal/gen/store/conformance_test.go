package store

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store/storetest"
	"github.com/svcgen/svcgen/templates/service/variant/postgres/migrations"
	"github.com/svcgen/svcgen/test/rig"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{Leased: true, Wakes: true, Fresh: func(t testing.TB) func(testing.TB) storetest.Store {
		cfg := testConfig(rig.Postgres(t))
		return func(t testing.TB) storetest.Store { return adapter{open(t, cfg)} }
	}})
}

// The rules hold behind PgBouncer in transaction mode, where every transaction may be on another connection:
// statements are not prepared by name, and locks are rows.
func TestConformancePgBouncer(t *testing.T) {
	pooler := pgbouncer(t)
	storetest.Run(t, storetest.Suite{Leased: true, Fresh: func(t testing.TB) func(testing.TB) storetest.Store {
		cfg := testConfig(via(t, pooler, rig.Postgres(t)))
		cfg.Pooler = true
		return func(t testing.TB) storetest.Store { return adapter{open(t, cfg)} }
	}})
}

// pgbouncer is in front of the server that tests share.
func pgbouncer(t testing.TB) *rig.Server {
	t.Helper()
	server := rig.Postgres(t)
	return rig.Private(t, func(ctx context.Context) (*rig.Server, error) { return rig.StartPgBouncer(ctx, server, "") })
}

// via is the way to the database of direct through pooler.
func via(t testing.TB, pooler *rig.Server, direct string) string {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	p, err := url.Parse(pooler.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Host
	return u.String()
}

func testConfig(url string) Config {
	return Config{
		URL: url, MaxConns: 10, RelayConns: 3, AcquireTimeout: 30 * time.Second, ConnectTimeout: 30 * time.Second,
		StatementTimeout: 30 * time.Second, LockTimeout: 30 * time.Second, IdleInTxTimeout: 30 * time.Second,
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
	if _, err := db.Pool().Exec(t.Context(), `CREATE TABLE counter (name text PRIMARY KEY, n bigint NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	return db
}

type adapter struct{ *DB }

func (a adapter) InTx(ctx context.Context, fn func(context.Context, storetest.Tx) error) error {
	return a.DB.InTx(ctx, func(ctx context.Context, tx *Tx) error { return fn(ctx, txAdapter{tx}) })
}

func (a adapter) Own(ctx context.Context, msgs ...outbox.Message) error {
	tx, err := a.Pool().Begin(ctx)
	if err != nil {
		return err
	}
	if err := a.Enqueue(ctx, tx, msgs...); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}

func (a adapter) Migrate(ctx context.Context) error { return a.DB.Migrate(ctx, migrations.FS) }
func (a adapter) Queue() storetest.Queue            { return a.DB.Queue() }
func (a adapter) Unavailable(err error) bool        { return Unavailable(err) }

type txAdapter struct{ *Tx }

func (a txAdapter) Exec(ctx context.Context, query string) error {
	_, err := a.Tx.Exec(ctx, query)
	return err
}

func (a txAdapter) Int(ctx context.Context, query string) (n int64, err error) {
	err = a.QueryRow(ctx, query).Scan(&n)
	return n, err
}

func (a txAdapter) Commit() error   { return a.Tx.Commit(context.Background()) }
func (a txAdapter) Rollback() error { return a.Tx.Rollback(context.Background()) }

var _ pgx.Tx = (*Tx)(nil)
