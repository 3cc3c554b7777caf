// Package testkit makes tests of single methods and event handlers short: a real database with the schema in
// place, the typed events, and streams without a network.
//
// It runs no server and no relay, so what a test emits stays in the outbox, where Emitted finds it. Package
// apptest runs the whole service.
package testkit

import (
	"log/slog"
	"testing"

	"github.com/svcgen/svcgen/templates/service/internal/gen/config"
	"github.com/svcgen/svcgen/templates/service/internal/gen/events"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit/testbroker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit/testdb"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

// Kit is what a test gets.
type Kit struct {
	DB     *store.DB
	Events *events.Events
}

// New opens an empty database and migrates it. It is closed when the test ends.
func New(tb testing.TB) *Kit {
	tb.Helper()
	db, err := store.Open(tb.Context(), testdb.Config(tb, defaults(tb).Database), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close database: %v", err)
		}
	})
	if err := db.Migrate(tb.Context(), migrations.FS); err != nil {
		tb.Fatal(err)
	}
	return &Kit{DB: db, Events: events.New()}
}

// Emitted returns the types of the events in the outbox, oldest first.
func Emitted(tb testing.TB, db *store.DB) []string {
	tb.Helper()
	letters, err := db.Queue().List(tb.Context(), false, 1000)
	if err != nil {
		tb.Fatal(err)
	}
	var types []string
	for _, l := range letters {
		types = append(types, l.Type)
	}
	return types
}

// Config is the service's configuration for a test: the defaults, the test's own database and broker, free ports.
func Config(tb testing.TB) *config.Config {
	tb.Helper()
	cfg := defaults(tb)
	cfg.Database = testdb.Config(tb, cfg.Database)
	cfg.Database.Migrate = true
	cfg.Broker = testbroker.Config(tb, cfg.Broker)
	cfg.GRPC.Addr, cfg.Admin.Addr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Shutdown.DrainDelay = 0
	return cfg
}

func defaults(tb testing.TB) *config.Config {
	tb.Helper()
	cfg, err := config.Load(config.Source{Name: "test", Prefix: "TEST_"})
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// Log is a logger that shows what the service logged when the test fails.
func Log(tb testing.TB) *slog.Logger {
	tb.Helper()
	return slog.New(slog.NewTextHandler(tb.Output(), nil))
}
