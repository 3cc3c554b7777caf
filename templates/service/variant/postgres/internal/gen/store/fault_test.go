package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/variant/postgres/migrations"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/rig/tcpproxy"
)

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

// write is a transaction with a row and an event.
func write(ctx context.Context, tx *Tx) error {
	if _, err := tx.Exec(ctx, upsert, "a"); err != nil {
		return err
	}
	return tx.Emit(outbox.Message{Topic: "t", Key: "a", Type: "T"})
}

func pending(t testing.TB, db *DB) int64 {
	t.Helper()
	s, err := db.Queue().Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Pending
}

// TestKilledInCommit: the server ends the session while COMMIT runs.
func TestKilledInCommit(t *testing.T) {
	db := migrated(t, testConfig(rig.Postgres(t)))
	exec(t, db, `
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON counter DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()`)
	result := make(chan error, 1)
	var hooks atomic.Int32
	db.OnCommit(func() { hooks.Add(1) })
	go func() { result <- db.InTx(t.Context(), write) }()
	eventually(t, func() bool {
		var killed bool
		err := db.Queue().pool.QueryRow(t.Context(), `
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND query = 'commit' AND wait_event = 'PgSleep'`).Scan(&killed)
		return err == nil && killed
	})
	err := <-result
	if !errors.Is(err, ErrCommitUnknown) || Unavailable(err) {
		t.Errorf("got %v, want ErrCommitUnknown and not merely unavailable", err)
	}
	if count(t, db) != 0 || pending(t, db) != 0 || hooks.Load() != 0 {
		t.Errorf("%d rows, %d events, %d hooks; want none", count(t, db), pending(t, db), hooks.Load())
	}
}

// TestCommitAnswerLost: the commit happens and its answer does not arrive.
func TestCommitAnswerLost(t *testing.T) {
	db, proxy := proxied(t)
	ctx := t.Context()
	if err := db.InTx(ctx, write); err != nil { // prepares the statements
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		result <- db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
			err := write(ctx, tx)
			proxy.DropReplies()
			return err
		})
	}()
	eventually(t, func() bool { return proxy.Dropped() > 0 })
	proxy.Heal() // resets the connections that lost an answer
	if err := <-result; !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("got %v, want ErrCommitUnknown", err)
	}
	if pending(t, db) != 2 {
		t.Errorf("%d events; want the one before and the one of the commit that nobody heard of", pending(t, db))
	}
	if err := db.InTx(ctx, write); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

// TestLostBeforeCommit: what was certainly not committed is not called unknown.
func TestLostBeforeCommit(t *testing.T) {
	db, proxy := proxied(t)
	err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
		if err := write(ctx, tx); err != nil {
			return err
		}
		proxy.Cut()
		_, err := tx.Exec(ctx, upsert, "b")
		return err
	})
	if err == nil || errors.Is(err, ErrCommitUnknown) || !Unavailable(err) {
		t.Errorf("got %v, want an error that says unavailable", err)
	}
	if err := db.InTx(t.Context(), write); !Unavailable(err) {
		t.Errorf("while cut off: %v, want unavailable", err)
	}
	proxy.Heal()
	if err := db.InTx(t.Context(), write); err != nil || count(t, db) != 1 || pending(t, db) != 1 {
		t.Errorf("after the fault: %v, %d rows, %d events", err, count(t, db), pending(t, db))
	}
}

// proxied opens a database behind a wire that the test can break.
func proxied(t *testing.T) (*DB, *tcpproxy.Proxy) {
	t.Helper()
	u, err := url.Parse(rig.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := tcpproxy.Listen("127.0.0.1:0", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	u.Host = proxy.Addr()
	return migrated(t, testConfig(u.String())), proxy
}

func exec(t testing.TB, db *DB, statements string) {
	t.Helper()
	if _, err := db.pool.Exec(t.Context(), statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// TestCommitAnsweredRollback: a function that overlooks a failed statement cannot commit.
func TestCommitAnsweredRollback(t *testing.T) {
	db := migrated(t, testConfig(rig.Postgres(t)))
	for name, emits := range map[string]bool{"with an event": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				if _, err := tx.Exec(ctx, upsert, "a"); err != nil {
					return err
				}
				_, _ = tx.Exec(ctx, `SELECT 1 / 0`)
				if emits {
					return tx.Emit(outbox.Message{Topic: "t", Type: "T"})
				}
				return nil
			})
			if err == nil || errors.Is(err, ErrCommitUnknown) || count(t, db) != 0 || pending(t, db) != 0 {
				t.Errorf("got %v, %d rows, %d events; want an error and nothing", err, count(t, db), pending(t, db))
			}
		})
	}
}

// TestRetry: a serialization failure runs the function again, without the events of the first run.
func TestRetry(t *testing.T) {
	db := migrated(t, testConfig(rig.Postgres(t)))
	exec(t, db, `INSERT INTO counter VALUES ('a', 0)`)
	const writers, rounds = 6, 15
	var runs atomic.Int64
	var done atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
					runs.Add(1)
					if _, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL SERIALIZABLE`); err != nil {
						return err
					}
					var n int
					if err := tx.QueryRow(ctx, `SELECT n FROM counter WHERE name = 'a'`).Scan(&n); err != nil {
						return err
					}
					if err := tx.Emit(outbox.Message{Topic: "t", Key: "a", Type: "T", Payload: fmt.Append(nil, n+1)}); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `UPDATE counter SET n = $1 WHERE name = 'a'`, n+1)
					return err
				})
				var server *pgconn.PgError
				switch {
				case err == nil:
					done.Add(1)
				case !errors.As(err, &server) || server.Code != "40001": // out of attempts
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n int64
	if err := db.pool.QueryRow(t.Context(), `SELECT n FROM counter WHERE name = 'a'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commits in %d runs", done.Load(), runs.Load())
	if n != done.Load() || pending(t, db) != n || runs.Load() <= done.Load() {
		t.Errorf("counter %d, %d events, %d commits in %d runs", n, pending(t, db), done.Load(), runs.Load())
	}
	p := leaseAll(t, db.Queue(), "r")
	rows, err := db.Queue().Fetch(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if string(r.Payload) != fmt.Sprint(i+1) {
			t.Fatalf("event %d is %s", i+1, r.Payload)
		}
	}
}

// TestPoolExhausted: slow requests hold every connection; new ones fail soon and say so, and the relay goes on.
func TestPoolExhausted(t *testing.T) {
	cfg := testConfig(rig.Postgres(t))
	cfg.MaxConns = 2
	db := migrated(t, cfg)
	emit(t, db, 10)
	release := make(chan struct{})
	var held, ended sync.WaitGroup
	for range cfg.MaxConns {
		held.Add(1)
		ended.Go(func() {
			if err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				_, err := tx.Exec(ctx, `SELECT 1`)
				held.Done()
				<-release
				return err
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
	if n := drain(t, db.Queue(), leaseAll(t, db.Queue(), "r")); n != 10 {
		t.Errorf("the relay got %d of 10 rows", n)
	}
	close(release)
	ended.Wait()
	db.acquire = cfg.AcquireTimeout
	if err := db.InTx(t.Context(), write); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestMigrateTogether: eight replicas start at once on an empty database.
func TestMigrateTogether(t *testing.T) {
	for name, pooler := range map[string]bool{"session lock": false, "lock table": true} {
		t.Run(name, func(t *testing.T) {
			url := rig.Postgres(t)
			if pooler {
				url = via(t, pgbouncer(t), url)
			}
			cfg := testConfig(url)
			cfg.Pooler = pooler
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
		})
	}
}

// TestNothingElseInTx: a business transaction says BEGIN, the caller's statements, the outbox rows and COMMIT. A
// NOTIFY in it would serialise the commits of all, an advisory lock would not survive a pooler, and a trigger
// would do either unseen.
func TestNothingElseInTx(t *testing.T) {
	db, w := onWire(t, nil)
	db.OnCommit(db.Queue().Notify)
	for range 3 {
		if err := db.InTx(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	said := strings.ToLower(string(w.sent))
	for _, word := range []string{"notify", "listen", "advisory", "lock table", "for update"} {
		if strings.Contains(said, word) {
			t.Errorf("the business connection said %q", word)
		}
	}
	if !strings.Contains(said, "insert into outbox") {
		t.Error("the recording is empty: the test proves nothing")
	}
	var triggers int
	if err := db.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'outbox%'`).Scan(&triggers); err != nil || triggers != 0 {
		t.Errorf("%d triggers on the outbox, %v", triggers, err)
	}
}

// TestDurable: where sessions commit without waiting for the disk, those that carry events wait, at no extra trip.
func TestDurable(t *testing.T) {
	db, w := onWire(t, func(cfg *Config) {
		exec := migrated(t, *cfg)
		name := exec.pool.Config().ConnConfig.Database
		if _, err := exec.pool.Exec(t.Context(), `ALTER DATABASE `+name+` SET synchronous_commit = off`); err != nil {
			t.Fatal(err)
		}
		if _, err := exec.pool.Exec(t.Context(), `DROP TABLE counter`); err != nil {
			t.Fatal(err)
		}
	})
	for range 2 {
		w.reset()
		if err := db.InTx(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	if w.tally() != 2 {
		t.Errorf("%d round trips, want 2", w.tally())
	}
	// The second run names the prepared statement; what it does is seen from inside.
	err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
		before, after := "", ""
		if err := tx.QueryRow(ctx, `SHOW synchronous_commit`).Scan(&before); err != nil {
			return err
		}
		if err := db.Enqueue(ctx, tx, outbox.Message{Topic: "t", Type: "T"}); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SHOW synchronous_commit`).Scan(&after); err != nil {
			return err
		}
		if before != "off" || after != "on" {
			t.Errorf("synchronous_commit %s, with events %s", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWake: a commit in one process wakes the relay in another, and not its own.
func TestWake(t *testing.T) {
	cfg := testConfig(rig.Postgres(t))
	db := migrated(t, cfg)
	a, b := ownQueue(t, cfg), ownQueue(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	heard := map[*Queue]chan struct{}{a: make(chan struct{}, 100), b: make(chan struct{}, 100)}
	var wg sync.WaitGroup
	for q, c := range heard {
		wg.Go(func() { q.Listen(ctx, func(bool) { c <- struct{}{} }) })
	}
	defer wg.Wait()
	defer cancel()
	eventually(t, func() bool {
		var n int
		err := db.pool.QueryRow(ctx, `
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'`).Scan(&n)
		return err == nil && n == 2
	})
	for range 50 {
		a.Notify()
	}
	<-heard[b]
	b.Notify()
	<-heard[a]
	if n := len(heard[b]); n > 3 {
		t.Errorf("fifty wishes at once became %d more notifications", n)
	}
	if len(heard[a]) != 0 {
		t.Error("a process heard itself")
	}
	leases := leaseAll(t, a, "a")
	<-heard[b] // somebody wants shards
	a.Notify() // has all shards: nobody to tell
	if err := a.Release(ctx, "a", leases.Leases); err != nil {
		t.Fatal(err)
	}
	<-heard[b] // the shards are free
}

// TestPoolerUntold: behind a pooler that nobody told of, the service says so and what to set.
func TestPoolerUntold(t *testing.T) {
	for name, tt := range map[string]struct{ ignore, want string }{
		"it refuses our settings": {"extra_float_digits", "set DATABASE_POOLER=true"},
		"it drops our settings": {
			"statement_timeout,lock_timeout,idle_in_transaction_session_timeout,synchronous_commit,enable_seqscan,enable_bitmapscan,jit", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			direct := rig.Postgres(t)
			pooler := rig.Private(t, func(ctx context.Context) (*rig.Server, error) { return rig.StartPgBouncer(ctx, direct, tt.ignore) })
			var said bytes.Buffer
			cfg := testConfig(via(t, pooler, direct))
			db, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			err = db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				_, err := tx.Exec(ctx, `SELECT 1`, pgx.QueryExecModeExec)
				return err
			})
			if tt.want == "" && (err != nil || !strings.Contains(said.String(), "set DATABASE_POOLER=true")) {
				t.Errorf("transaction: %v; the log says %q", err, said.String())
			}
			if tt.want == "" {
				return
			}
			for what, err := range map[string]error{"transaction": err, "ping": db.Ping(t.Context()), "migrate": db.Migrate(t.Context(), migrations.FS)} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v, want %q", what, err, tt.want)
				}
			}
		})
	}
}

// TestClockSetBack: when the database's clock is set back, leases and relays from the time before hold nobody up.
func TestClockSetBack(t *testing.T) {
	for _, tt := range []struct{ name, owner string }{{"of a relay that is gone", "'gone'"}, {"given up", "NULL"}} {
		t.Run(tt.name, func(t *testing.T) {
			db := migrated(t, testConfig(rig.Postgres(t)))
			for _, q := range []string{
				"UPDATE outbox_lease SET owner = " + tt.owner + ", expires_at = now() + interval '1 day'",
				"INSERT INTO outbox_relay (id, seen_at) VALUES ('gone', now() + interval '1 day')",
			} {
				if _, err := db.Pool().Exec(t.Context(), q); err != nil {
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

// TestLeastPrivilege: a role that may change rows and nothing else is enough for requests and relay.
func TestLeastPrivilege(t *testing.T) {
	cfg := testConfig(rig.Postgres(t))
	owner := migrated(t, cfg)
	role := rig.Unique("app")
	exec(t, owner, "CREATE ROLE "+role+" LOGIN PASSWORD 'app'; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "+role+
		"; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "+role)
	t.Cleanup(func() {
		if _, err := owner.pool.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(cfg.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "app")
	db := open(t, testConfig(u.String()))
	defer func() { _ = db.Close() }()
	if err := db.InTx(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	if n := drain(t, db.Queue(), leaseAll(t, db.Queue(), "r")); n != 1 {
		t.Errorf("the relay got %d rows", n)
	}
	if _, err := db.pool.Exec(t.Context(), "CREATE TABLE mine (id int)"); err == nil {
		t.Error("the role may change the schema: the test proves nothing")
	}
}
