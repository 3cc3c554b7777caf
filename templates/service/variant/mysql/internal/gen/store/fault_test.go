package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/variant/mysql/migrations"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/rig/tcpproxy"
)

const upsert = `INSERT INTO counter (name, n) VALUES (?, 1) ON DUPLICATE KEY UPDATE n = n + 1`

// write is a transaction with a row and an event.
func write(ctx context.Context, tx *Tx) error {
	if _, err := tx.ExecContext(ctx, upsert, "a"); err != nil {
		return err
	}
	return tx.Emit(outbox.Message{Topic: "t", Key: "a", Type: "T"})
}

func count(t testing.TB, db *DB) (n int) {
	t.Helper()
	if err := db.pool.QueryRowContext(context.WithoutCancel(t.Context()), `SELECT count(*) FROM counter`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func pending(t testing.TB, db *DB) int64 {
	t.Helper()
	s, err := db.Queue().Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Pending
}

// limit is how long what must come may take on a loaded machine.
const limit = time.Minute

// eventually tries ok until it holds.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v", limit)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// proxied opens a database behind a wire that the test can break.
func proxied(t *testing.T) (*DB, *tcpproxy.Proxy) {
	t.Helper()
	m, err := mysql.ParseDSN(rig.MySQL(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := tcpproxy.Listen("127.0.0.1:0", m.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	m.Addr = proxy.Addr()
	return migrated(t, testConfig(m.FormatDSN())), proxy
}

// TestCommitAnswerLost: the commit happens and its answer does not arrive.
func TestCommitAnswerLost(t *testing.T) {
	db, proxy := proxied(t)
	result := make(chan error, 1)
	var hooks atomic.Int32
	db.OnCommit(func() { hooks.Add(1) })
	go func() {
		result <- db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			// Without events COMMIT is the next thing sent.
			_, err := tx.ExecContext(ctx, upsert, "a")
			proxy.DropReplies()
			return err
		})
	}()
	eventually(t, func() bool { return proxy.Dropped() > 0 })
	proxy.Heal() // resets the connections that lost an answer
	if err := <-result; !errors.Is(err, ErrCommitUnknown) || Unavailable(err) {
		t.Errorf("got %v, want ErrCommitUnknown and not merely unavailable", err)
	}
	if count(t, db) != 1 || hooks.Load() != 0 {
		t.Errorf("%d rows, %d hooks; want the commit that nobody heard of", count(t, db), hooks.Load())
	}
	if err := db.InTx(t.Context(), write); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

// TestLostBeforeCommit: what was certainly not committed is not called unknown.
func TestLostBeforeCommit(t *testing.T) {
	db, proxy := proxied(t)
	for name, overlook := range map[string]bool{"seen": false, "overlooked": true} {
		t.Run(name, func(t *testing.T) {
			err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				if _, err := tx.ExecContext(ctx, upsert, "a"); err != nil {
					return err
				}
				proxy.Cut()
				_, err := tx.ExecContext(ctx, upsert, "b")
				if overlook {
					return nil
				}
				return err
			})
			if err == nil || errors.Is(err, ErrCommitUnknown) || !Unavailable(err) {
				t.Errorf("got %v, want an error that says unavailable", err)
			}
			if err := db.InTx(t.Context(), write); !Unavailable(err) {
				t.Errorf("while cut off: %v, want unavailable", err)
			}
			proxy.Heal()
		})
	}
	if err := db.InTx(t.Context(), write); err != nil || count(t, db) != 1 || pending(t, db) != 1 {
		t.Errorf("after the fault: %v, %d rows, %d events", err, count(t, db), pending(t, db))
	}
}

// deadlock has two transactions lock two rows crosswise. after is what a function does once it has the second.
func deadlock(t *testing.T, db *DB, second func(ctx context.Context, tx *Tx, name string) error) (runs int64, errs []error) {
	t.Helper()
	for _, name := range []string{"a", "b"} {
		if _, err := db.pool.ExecContext(t.Context(), upsert, name); err != nil {
			t.Fatal(err)
		}
	}
	var n atomic.Int64
	var both, ended sync.WaitGroup
	both.Add(2)
	errs = make([]error, 2)
	for i, names := range [][2]string{{"a", "b"}, {"b", "a"}} {
		ended.Go(func() {
			var once sync.Once
			errs[i] = db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				n.Add(1)
				if _, err := tx.ExecContext(ctx, upsert, names[0]); err != nil {
					return err
				}
				once.Do(func() { both.Done(); both.Wait() })
				if err := tx.Emit(outbox.Message{Topic: "t", Key: names[0], Type: "T"}); err != nil {
					return err
				}
				return second(ctx, tx, names[1])
			})
		})
	}
	ended.Wait()
	return n.Load(), errs
}

// TestDeadlock: the one the server rolled back runs again, without the events of its first run.
func TestDeadlock(t *testing.T) {
	db := migrated(t, testConfig(rig.MySQL(t)))
	runs, errs := deadlock(t, db, func(ctx context.Context, tx *Tx, name string) error {
		_, err := tx.ExecContext(ctx, upsert, name)
		return err
	})
	if err := errors.Join(errs...); err != nil || runs != 3 || pending(t, db) != 2 {
		t.Errorf("%v, %d runs, %d events; want 3 and 2", err, runs, pending(t, db))
	}
}

// TestDeadlockOverlooked: the server has rolled back the whole transaction, so nothing after that may be committed.
func TestDeadlockOverlooked(t *testing.T) {
	db := migrated(t, testConfig(rig.MySQL(t)))
	var refused atomic.Int64
	runs, errs := deadlock(t, db, func(ctx context.Context, tx *Tx, name string) error {
		if _, err := tx.ExecContext(ctx, upsert, name); err != nil {
			if _, err := tx.ExecContext(ctx, `INSERT INTO counter VALUES ('stray', 1)`); errors.Is(err, errLost) {
				refused.Add(1)
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil || runs != 3 || refused.Load() != 1 {
		t.Errorf("%v, %d runs, %d statements refused; want 3 and 1", err, runs, refused.Load())
	}
	if count(t, db) != 2 || pending(t, db) != 2 {
		t.Errorf("%d rows and %d events; want 2 and 2", count(t, db), pending(t, db))
	}
}

// TestPoolExhausted: slow requests hold every connection; new ones fail soon and say so, and the relay goes on.
func TestPoolExhausted(t *testing.T) {
	cfg := testConfig(rig.MySQL(t))
	cfg.MaxConns = 2
	db := migrated(t, cfg)
	if err := db.InTx(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	var held, ended sync.WaitGroup
	for range cfg.MaxConns {
		held.Add(1)
		ended.Go(func() {
			if err := db.InTx(t.Context(), func(context.Context, *Tx) error {
				held.Done()
				<-release
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	held.Wait()
	db.acquire = 100 * time.Millisecond // not before: a connection takes its time
	if err := db.InTx(t.Context(), write); !Unavailable(err) {
		t.Errorf("got %v, want unavailable", err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("a busy database is not down: %v", err)
	}
	q := db.Queue()
	leases, err := q.Lease(t.Context(), "r", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := q.Fetch(t.Context(), outbox.Page{Owner: "r", Leases: leases, Limit: 10})
	if err != nil || len(rows) != 1 {
		t.Errorf("the relay got %d rows, %v", len(rows), err)
	}
	close(release)
	ended.Wait()
}

// TestMigrateTogether: eight replicas start at once on an empty database.
func TestMigrateTogether(t *testing.T) {
	cfg := testConfig(rig.MySQL(t))
	began := time.Now()
	var wg sync.WaitGroup
	for range 8 {
		db := open(t, cfg)
		t.Cleanup(func() { _ = db.Close() })
		wg.Go(func() {
			if err := db.Migrate(t.Context(), migrations.FS); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("eight replicas in %v", time.Since(began).Round(time.Millisecond))
}

// TestInsertersDoNotWait: the relay's deletes lock no gaps, so they never make an insert wait.
func TestInsertersDoNotWait(t *testing.T) {
	cfg := testConfig(rig.MySQL(t))
	cfg.LockTimeout = time.Second
	db := migrated(t, cfg)
	for range 3 {
		if err := db.InTx(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.Queue().pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
			t.Error(err)
		}
	}()
	if _, err := tx.ExecContext(t.Context(), `DELETE FROM outbox WHERE id IN (3, 4, 5, 1000)`); err != nil {
		t.Fatal(err)
	}
	if err := db.InTx(t.Context(), write); err != nil {
		t.Errorf("insert beside an open delete: %v", err)
	}
}

// TestURL: both ways to write it mean the same, and a wrong one does not show the password.
func TestURL(t *testing.T) {
	for in, want := range map[string]string{
		"mysql://u:p%40ss@db:3307/orders?charset=utf8mb4": "u:p@ss@tcp(db:3307)/orders",
		"mysql://u@db/orders":                             "u@tcp(db:3306)/orders",
		"u:p@tcp(db:1)/orders":                            "u:p@tcp(db:1)/orders",
	} {
		m, err := Config{URL: in}.options()
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := fmt.Sprintf("%s@tcp(%s)/%s", strings.TrimSuffix(m.User+":"+m.Passwd, ":"), m.Addr, m.DBName); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"mysql://u:secret@", "u:secret@tcp(db", "://secret"} {
		if _, err := (Config{URL: in}).options(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// TestOnlyDurableRows: what Fetch returns outlives a crash of the server, though InnoDB shows a commit before it is on
// disk. Here the writers' commits are never flushed, which makes that moment last.
func TestOnlyDurableRows(t *testing.T) {
	server := rig.Private(t, rig.StartMySQL)
	db := migrated(t, testConfig(server.URL()))
	flush := func(when int, every string) {
		t.Helper()
		set := fmt.Sprintf("SET GLOBAL innodb_flush_log_at_timeout = %s, GLOBAL innodb_flush_log_at_trx_commit = %d", every, when)
		if _, err := db.Pool().ExecContext(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	q := db.Queue()
	leases, err := q.Lease(t.Context(), "r", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	flush(0, "2700") // seconds, the longest there is
	if err := db.InTx(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	flush(1, "1")
	rows, err := q.Fetch(t.Context(), outbox.Page{Owner: "r", Leases: leases, Limit: 10})
	if err != nil || len(rows) != 1 {
		t.Fatalf("fetched %d rows, %v", len(rows), err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return db.Ping(t.Context()) == nil })
	if n := pending(t, db); n != 1 {
		t.Errorf("%d rows after the crash; a relay would have published what never happened", n)
	}
}

// TestClockSetBack: when the database's clock is set back, leases and relays from the time before hold nobody up.
func TestClockSetBack(t *testing.T) {
	for _, tt := range []struct{ name, owner string }{{"of a relay that is gone", "'gone'"}, {"given up", "NULL"}} {
		t.Run(tt.name, func(t *testing.T) {
			db := migrated(t, testConfig(rig.MySQL(t)))
			for _, q := range []string{
				"UPDATE outbox_lease SET owner = " + tt.owner + ", expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 DAY",
				"INSERT INTO outbox_relay (id, seen_at) VALUES ('gone', UTC_TIMESTAMP(6) + INTERVAL 1 DAY)",
			} {
				if _, err := db.Pool().ExecContext(t.Context(), q); err != nil {
					t.Fatal(err)
				}
			}
			leases, err := db.Queue().Lease(t.Context(), "r", time.Minute)
			if err != nil || len(leases) != outbox.Shards {
				t.Errorf("got %d leases, %v", len(leases), err)
			}
		})
	}
}
