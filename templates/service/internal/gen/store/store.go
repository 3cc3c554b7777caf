// Package store is the service's SQLite database: transactions that carry events, the outbox table the relay
// reads, migrations.
//
// In go functions that run inside a transaction (InTx); out come their rows and, if and only if the transaction
// commits, the events they emitted. The package does not publish events; that is the relay's work (package
// outbox), which sees the table through Queue.
//
// There is one connection for writing and a few for reading. Writers that wait for each other share a commit, and
// so one fsync (commit.go). Several processes may use one file: BEGIN IMMEDIATE takes SQLite's write lock before
// an outbox id is drawn and holds it until the commit, so ids are in commit order whoever writes, and a relay
// in each process can at worst publish an event twice, never out of order.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Config says where the database is.
type Config struct {
	URL     string        `env:"DATABASE_URL" envDefault:"{name}.db" help:"SQLite file"`
	Migrate bool          `env:"DATABASE_MIGRATE" envDefault:"true" help:"apply migrations at start"`
	Readers int           `env:"DATABASE_READERS" envDefault:"4" help:"connections for reading"`
	Busy    time.Duration `env:"DATABASE_BUSY_TIMEOUT" envDefault:"5s" help:"how long to wait for another process's write lock"`
	Share   time.Duration `env:"DATABASE_SHARE_COMMIT" envDefault:"5ms" help:"how long a shared commit may collect writers; 0: every one alone"`
}

// Check reports what cannot be a database file.
func (c Config) Check(bad func(key, problem string)) {
	if name := c.file(); name == "" || strings.HasPrefix(name, ":memory:") {
		bad("DATABASE_URL", fmt.Sprintf("%q is not a file name", c.URL))
	}
}

func (c Config) file() string { return strings.TrimPrefix(c.URL, "file:") }

// DB is one SQLite database. Its methods may be called from any goroutine.
type DB struct {
	file   string
	write  *sql.DB
	read   *sql.DB
	commit committer
	log    *slog.Logger

	mu       sync.Mutex
	onCommit []func()
}

// Open prepares the database of cfg. It connects at first use, so a wrong file name is found by Ping or Migrate.
func Open(_ context.Context, cfg Config, log *slog.Logger) (*DB, error) {
	if err := outbox.Problems(cfg); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	name := cfg.file()
	busy := fmt.Sprintf("busy_timeout(%d)", cfg.Busy.Milliseconds())
	shared := []string{busy, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}

	gate := &gate{}
	write, err := connector(name, "rwc", shared...)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	read, err := connector(name, "rw", append(shared, "query_only(1)")...)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{file: name, write: sql.OpenDB(&writer{Connector: write, gate: gate}), read: sql.OpenDB(read), log: log}
	db.write.SetMaxOpenConns(1)
	readers := max(cfg.Readers, 1)
	db.read.SetMaxOpenConns(readers)
	db.read.SetMaxIdleConns(readers)
	db.commit = committer{db: db.write, gate: gate, share: cfg.Share, committed: db.committed}
	return db, nil
}

// connector returns a connector for the file name with pragmas set on every connection. Mode rwc makes the file where it
// is missing; rw does not, so that a command run in another folder does not leave an empty database there.
func connector(name, mode string, pragmas ...string) (driver.Connector, error) {
	q := url.Values{"mode": {mode}, "_pragma": pragmas, "_txlock": {"immediate"}}
	// A SQLite URI; only these characters end or escape its path.
	path := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(name)
	return sqlite.NewConnector("file:" + path + "?" + q.Encode())
}

// Reader returns a pool of read-only connections for queries outside a transaction. They see what is committed.
func (db *DB) Reader() *sql.DB { return db.read }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", cmp.Or(db.missing(), err))
	}
	var one int
	if err := db.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// missing is the error about a file that is not there, which SQLite tells only by number.
func (db *DB) missing() error {
	file, err := filepath.Abs(db.file)
	if err == nil {
		_, err = os.Stat(file)
	}
	return err
}

// OnCommit registers f to be called after every commit that carried events; it wakes the relay. f must not block.
func (db *DB) OnCommit(f func()) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.onCommit = append(db.onCommit, f)
}

func (db *DB) committed() {
	db.mu.Lock()
	hooks := db.onCommit
	db.mu.Unlock()
	for _, f := range hooks {
		f()
	}
}

// Close waits for the transactions under way and closes all connections.
func (db *DB) Close() error {
	db.commit.close()
	return errors.Join(db.write.Close(), db.read.Close())
}
