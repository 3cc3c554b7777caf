package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

// sharing opens a database whose transactions are shared, and which starts none until open is called.
func sharing(t *testing.T) (db *DB, open func()) {
	t.Helper()
	cfg := testConfig(rig.Postgres(t))
	cfg.ShareCommit = 64
	db = migrated(t, cfg)
	exec(t, db, `CREATE TABLE line (n int PRIMARY KEY CHECK (n >= 0), day date)`)
	db.share.mu.Lock()
	db.share.running = shareBatches // as if these were under way
	db.share.mu.Unlock()
	return db, func() {
		db.share.mu.Lock()
		db.share.running = 1
		db.share.mu.Unlock()
		db.share.run()
	}
}

const addLine = `INSERT INTO line (n) VALUES ($1)`

// calls makes n calls, waits until all of them wait, lets them go, and returns what each got.
func calls(t *testing.T, db *DB, open func(), n int, fn func(ctx context.Context, tx *Tx, i int) error) []error {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error { return fn(ctx, tx, i) })
		})
	}
	eventually(t, func() bool {
		db.share.mu.Lock()
		defer db.share.mu.Unlock()
		return len(db.share.waiting) == n
	})
	open()
	wg.Wait()
	return errs
}

func value(t *testing.T, db *DB, query string) (n int) {
	t.Helper()
	if err := db.pool.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func event(i int) outbox.Message {
	return outbox.Message{Topic: "t", Key: fmt.Sprint(i % 3), Type: "T", Payload: []byte{byte(i)}}
}

func TestShare(t *testing.T) {
	db, open := sharing(t)
	var hooks int
	var mu sync.Mutex
	db.OnCommit(func() { mu.Lock(); hooks++; mu.Unlock() })
	for i, err := range calls(t, db, open, 20, func(_ context.Context, tx *Tx, i int) error {
		tx.Queue(addLine, i)
		return tx.Emit(event(i))
	}) {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if n, txs := value(t, db, `SELECT count(*) FROM line`), value(t, db, `SELECT count(DISTINCT xmin::text) FROM line`); n != 20 || txs != 1 {
		t.Errorf("%d rows in %d transactions, want 20 in 1", n, txs)
	}
	if n := pending(t, db); n != 20 || hooks == 0 {
		t.Errorf("%d events, %d wake-ups", n, hooks)
	}
}

// badDay is an argument that cannot be encoded, in one way or another.
type badDay struct{ panics bool }

func (b badDay) Value() (driver.Value, error) {
	if b.panics {
		panic("no day")
	}
	return nil, errors.New("no day")
}

// The one at fault fails alone, with its own error, and leaves nothing.
func TestShareWithOneThatFails(t *testing.T) {
	for name, bad := range map[string]struct {
		sql  string
		args []any
		want string
	}{
		"constraint":     {addLine, []any{-1}, "line_n_check"},
		"does not parse": {`INSERT INTO`, nil, "syntax error"},
		"encoding":       {`INSERT INTO line (n, day) VALUES (100, $1)`, []any{badDay{}}, "no day"},
		"panic":          {`INSERT INTO line (n, day) VALUES (100, $1)`, []any{badDay{panics: true}}, "panic: no day"},
		"at the commit":  {`INSERT INTO late (n) VALUES (1), (1)`, nil, "late_n_key"},
	} {
		t.Run(name, func(t *testing.T) {
			db, open := sharing(t)
			exec(t, db, `CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)`)
			const n, at = 9, 4
			for i, err := range calls(t, db, open, n, func(_ context.Context, tx *Tx, i int) error {
				tx.Queue(addLine, i)
				if i == at {
					tx.Queue(bad.sql, bad.args...)
				}
				return tx.Emit(event(i))
			}) {
				switch {
				case i != at && err != nil:
					t.Errorf("call %d: %v", i, err)
				case i == at && (err == nil || !strings.Contains(err.Error(), bad.want) || errors.Is(err, errShared)):
					t.Errorf("the one at fault got %v, want %q", err, bad.want)
				}
			}
			if rows, events := value(t, db, `SELECT count(*) FROM line`), pending(t, db); rows != n-1 || events != n-1 {
				t.Errorf("%d rows and %d events, want %d", rows, events, n-1)
			}
		})
	}
}

// What says something about the transaction, or asks the database, has one of its own.
func TestShareNot(t *testing.T) {
	for sql, want := range map[string]bool{
		"INSERT INTO a VALUES (1)": true, " update\ta SET b = 1": true, "Delete\nFROM a": true,
		"SET LOCAL ROLE other": false, "SET TRANSACTION READ ONLY": false, "SELECT set_config('a', 'b', true)": false,
		"WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x": false, "LOCK a": false, "": false, "insert": false,
	} {
		if got := (work{statements: []statement{{sql: sql}}}).sharable(); got != want {
			t.Errorf("%q: %v", sql, got)
		}
	}
	if (work{}).sharable() || !(work{msgs: []outbox.Message{{}}}).sharable() {
		t.Error("nothing is shared, or an event alone is not")
	}
	db, _ := sharing(t) // which never gets round to a shared one
	if err := db.InTx(t.Context(), write); err != nil {
		t.Error(err)
	}
	if err := db.InTx(t.Context(), func(_ context.Context, tx *Tx) error {
		tx.Queue("SET LOCAL statement_timeout = 0")
		tx.Queue(upsert, "a")
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// A caller that gives up while it waits leaves nothing behind, and does not disturb the others.
func TestShareGivenUp(t *testing.T) {
	db, open := sharing(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		gone <- db.InTx(ctx, func(_ context.Context, tx *Tx) error { tx.Queue(addLine, 99); return nil })
	}()
	eventually(t, func() bool { db.share.mu.Lock(); defer db.share.mu.Unlock(); return len(db.share.waiting) == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	for _, err := range calls(t, db, open, 3, func(_ context.Context, tx *Tx, i int) error { tx.Queue(addLine, i); return nil }) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := value(t, db, `SELECT sum(n) FROM line`); n != 0+1+2 {
		t.Errorf("sum %d, want 3", n)
	}
}

// When the session ends in COMMIT nobody knows, and everybody is told so.
func TestShareKilledInCommit(t *testing.T) {
	db, open := sharing(t)
	exec(t, db, `
CREATE FUNCTION suicide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(20); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER suicide AFTER INSERT ON line DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION suicide()`)
	for i, err := range calls(t, db, open, 5, func(_ context.Context, tx *Tx, i int) error { tx.Queue(addLine, i); return nil }) {
		var server *pgconn.PgError
		if !errors.Is(err, ErrCommitUnknown) || Unavailable(err) || errors.As(err, &server) && server.Severity != "FATAL" {
			t.Errorf("call %d: %v, want ErrCommitUnknown", i, err)
		}
	}
}
