package store

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store/storetest"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

func TestConformance(t *testing.T) {
	for name, share := range map[string]time.Duration{"shared commits": 5 * time.Millisecond, "alone": 0} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Suite{Fresh: func(t testing.TB) func(testing.TB) storetest.Store {
				file := filepath.Join(t.TempDir(), "odd name?#%.db")
				return func(t testing.TB) storetest.Store {
					db, err := Open(t.Context(), Config{URL: file, Readers: 2, Busy: 5 * time.Second, Share: share}, slog.New(slog.DiscardHandler))
					if err != nil {
						t.Fatal(err)
					}
					return adapter{db}
				}
			}})
		})
	}
}

type adapter struct{ *DB }

func (a adapter) InTx(ctx context.Context, fn func(context.Context, storetest.Tx) error) error {
	return a.DB.InTx(ctx, func(ctx context.Context, tx *Tx) error { return fn(ctx, txAdapter{tx}) })
}

func (a adapter) Own(ctx context.Context, msgs ...outbox.Message) error {
	tx, err := a.write.BeginTx(ctx, nil)
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
