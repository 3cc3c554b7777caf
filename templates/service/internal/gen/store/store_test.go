package store

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, edit ...func(*Config)) *DB {
	t.Helper()
	cfg := Config{URL: filepath.Join(t.TempDir(), "test.db"), Readers: 2, Busy: 5e9, Share: 5e6}
	for _, e := range edit {
		e(&cfg)
	}
	db, err := Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestEmitFollowsTheTransaction(t *testing.T) {
	db := open(t)
	boom := errors.New("boom")
	emit := func(err error) error {
		return db.InTx(t.Context(), func(_ context.Context, tx *Tx) error {
			if err := tx.Emit(outbox.Message{Topic: "orders", Key: "k", Type: "t", Payload: []byte("x")}); err != nil {
				return err
			}
			return err
		})
	}
	if err := emit(boom); !errors.Is(err, boom) {
		t.Fatalf("got %v, want boom", err)
	}
	if err := emit(nil); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Queue().Fetch(t.Context(), outbox.Page{Leases: []outbox.Lease{{}}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 {
		t.Fatalf("%d rows, want the one of the committed transaction", len(rows))
	}
}

// TestMissingFile proves that looking at a database which is not there says which, and does not make it.
func TestMissingFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nowhere.db")
	db, err := Open(t.Context(), Config{URL: file, Readers: 1}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("ping: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there now: %v", err)
	}
}
