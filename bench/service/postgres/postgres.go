// Package postgres opens the emitted PostgreSQL store for the benchmark. It lies here, and not beside its only caller,
// because of its import path (go.mod).
package postgres

import (
	"context"
	"log/slog"

	"github.com/caarlos0/env/v11"

	"github.com/svcgen/svcgen/templates/service/variant/postgres/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/variant/postgres/migrations"
)

type (
	// DB is the emitted database.
	DB = store.DB
	// Tx is its transaction.
	Tx = store.Tx
)

// Open opens the database at url with the emitted defaults and conns connections for requests, and migrates it. share
// is how many requests may share a transaction; by default none do.
func Open(ctx context.Context, url string, conns, share int) (*DB, error) {
	cfg, err := env.ParseAsWithOptions[store.Config](env.Options{Environment: map[string]string{}})
	if err != nil {
		return nil, err
	}
	cfg.URL, cfg.MaxConns, cfg.ShareCommit = url, conns, share
	db, err := store.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return db, db.Migrate(ctx, migrations.FS)
}
