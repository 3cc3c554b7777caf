package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

func openSQLite(ctx context.Context, file string, share time.Duration) (*store.DB, error) {
	db, err := store.Open(ctx, store.Config{URL: file, Readers: 4, Busy: 5 * time.Second, Share: share}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return db, db.Migrate(ctx, migrations.FS)
}
