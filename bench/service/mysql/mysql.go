// Package mysql opens the emitted MySQL store for the benchmark. It lies here, and not beside its only caller,
// because of its import path (go.mod).
package mysql

import (
	"context"
	"log/slog"

	"github.com/caarlos0/env/v11"

	"github.com/svcgen/svcgen/templates/service/variant/mysql/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/variant/mysql/migrations"
)

type (
	// DB is the emitted database.
	DB = store.DB
	// Tx is its transaction.
	Tx = store.Tx
)

// Open opens the database at url with the emitted defaults and conns connections for requests, and migrates it.
func Open(ctx context.Context, url string, conns int) (*DB, error) {
	cfg, err := env.ParseAsWithOptions[store.Config](env.Options{Environment: map[string]string{}})
	if err != nil {
		return nil, err
	}
	cfg.URL, cfg.MaxConns = url, conns
	db, err := store.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return db, db.Migrate(ctx, migrations.FS)
}
