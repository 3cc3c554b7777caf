package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// together runs fns so that they share one transaction, in this order, and returns their errors.
func together(t *testing.T, db *DB, ctxs []context.Context, fns ...func(context.Context, *Tx) error) []error {
	t.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	wg.Go(func() {
		first := true
		err := db.InTx(t.Context(), func(context.Context, *Tx) error {
			if first { // it may run again
				first = false
				close(entered)
				<-release
			}
			return nil
		})
		if err != nil {
			t.Errorf("the first one: %v", err)
		}
	})
	<-entered
	for i, fn := range fns {
		wg.Go(func() { errs[i] = db.InTx(ctxs[i], fn) })
		for db.commit.waiting() != i+1 {
			runtime.Gosched()
		}
	}
	close(release)
	wg.Wait()
	return errs
}

func (c *committer) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

// patient lets a shared commit wait for as long as a test needs.
func patient(c *Config) { c.Share = time.Minute }

func message(key string, n int) outbox.Message {
	return outbox.Message{Topic: "orders", Key: key, Type: "t", Payload: fmt.Append(nil, n)}
}

func pending(t *testing.T, db *DB) (out []string) {
	t.Helper()
	recs, err := db.Queue().Fetch(t.Context(), outbox.Page{Leases: []outbox.Lease{{}}, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		out = append(out, r.Key+string(r.Payload))
	}
	return out
}

// TestMatesAreIndependent: whatever one of those who share a commit does, even what makes SQLite roll back the
// whole transaction, the others commit, once.
func TestMatesAreIndependent(t *testing.T) {
	boom := errors.New("boom")
	exec := func(ctx context.Context, tx *Tx, q string) error {
		_, err := tx.ExecContext(ctx, q)
		return err
	}
	const endless = "INSERT INTO t SELECT n, 0 FROM (WITH RECURSIVE c(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000000) SELECT n FROM c)"
	for _, c := range []struct {
		name    string
		culprit func(ctx context.Context, cancel func(), tx *Tx) error
		reruns  bool // the mates' functions run a second time
	}{
		{"error", func(ctx context.Context, _ func(), tx *Tx) error {
			return errors.Join(exec(ctx, tx, "INSERT INTO t VALUES (9, 0)"), boom)
		}, false},
		{"failing statement", func(ctx context.Context, _ func(), tx *Tx) error {
			return exec(ctx, tx, "INSERT INTO t VALUES (1, 0)")
		}, false},
		{"cancelled before its statement", func(ctx context.Context, cancel func(), tx *Tx) error {
			cancel()
			return exec(ctx, tx, "INSERT INTO t VALUES (9, 0)")
		}, false},
		{"interrupted statement", func(ctx context.Context, cancel func(), tx *Tx) error {
			cancel()
			_ = ctx // a statement under another context is interrupted all the same
			return exec(context.Background(), tx, endless)
		}, true},
		{"rollback by constraint", func(ctx context.Context, _ func(), tx *Tx) error {
			return exec(ctx, tx, "INSERT OR ROLLBACK INTO t VALUES (1, 0)")
		}, true},
		{"rollback that is overlooked", func(ctx context.Context, _ func(), tx *Tx) error {
			_ = exec(ctx, tx, "INSERT OR ROLLBACK INTO t VALUES (1, 0)")
			if err := exec(ctx, tx, "INSERT INTO t VALUES (9, 0)"); err == nil {
				t.Error("a statement ran outside of the transaction")
			}
			if _, err := tx.Tx.Exec("INSERT INTO t VALUES (8, 0)"); err == nil {
				t.Error("a statement of the inner sql.Tx ran outside of the transaction")
			}
			return nil
		}, true},
		{"deferred constraint", func(ctx context.Context, _ func(), tx *Tx) error {
			return exec(ctx, tx, "INSERT INTO t VALUES (9, 77)")
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, patient)
			must(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				return errors.Join(
					exec(ctx, tx, "CREATE TABLE parent (id INTEGER PRIMARY KEY)"),
					exec(ctx, tx, "INSERT INTO parent VALUES (0)"),
					exec(ctx, tx, "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"),
					exec(ctx, tx, "INSERT INTO t VALUES (1, 0)"))
			}))
			var runs [2]int
			mate := func(i int) func(context.Context, *Tx) error {
				return func(ctx context.Context, tx *Tx) error {
					runs[i]++
					return errors.Join(exec(ctx, tx, fmt.Sprintf("INSERT INTO t VALUES (%d, 0)", 2+i)), tx.Emit(message("mate", i)))
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			errs := together(t, db, []context.Context{t.Context(), ctx, t.Context()}, mate(0), func(ctx context.Context, tx *Tx) error {
				return errors.Join(tx.Emit(message("culprit", 0)), c.culprit(ctx, cancel, tx))
			}, mate(1))
			if errs[0] != nil || errs[2] != nil {
				t.Errorf("the mates got %v and %v", errs[0], errs[2])
			}
			if errs[1] == nil || errors.Is(errs[1], errShared) {
				t.Errorf("the culprit got %v", errs[1])
			}
			if (runs[0] == 2) != c.reruns {
				t.Errorf("the first mate ran %d times, rerun expected: %v", runs[0], c.reruns)
			}
			var sum int
			if err := db.Reader().QueryRow("SELECT sum(id) FROM t").Scan(&sum); err != nil || sum != 1+2+3 {
				t.Errorf("ids sum to %d, want 6: %v", sum, err)
			}
			if got := fmt.Sprint(pending(t, db)); got != "[mate0 mate1]" && got != "[mate1 mate0]" {
				t.Errorf("pending %v", got)
			}
		})
	}
}

func TestPanicAndGoexitPassTheTurn(t *testing.T) {
	db := open(t, patient)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			defer func() { _ = recover() }()
			_ = db.InTx(t.Context(), func(_ context.Context, tx *Tx) error {
				if err := tx.Emit(message("lost", i)); err != nil {
					t.Error(err)
				}
				if i == 0 {
					runtime.Goexit()
				}
				panic("on purpose")
			})
		})
	}
	wg.Wait()
	must(t, db.InTx(t.Context(), func(_ context.Context, tx *Tx) error { return tx.Emit(message("k", 1)) }))
	if got := fmt.Sprint(pending(t, db)); got != "[k1]" {
		t.Errorf("pending %v", got)
	}
}

func TestNestedInTxIsRefused(t *testing.T) {
	db := open(t)
	err := db.InTx(t.Context(), func(ctx context.Context, _ *Tx) error {
		return db.InTx(ctx, func(context.Context, *Tx) error { return nil })
	})
	if err == nil {
		t.Error("InTx inside InTx was accepted")
	}
}

// TestSharing: writers that wait share one commit, and a limit of its time ends it.
func TestSharing(t *testing.T) {
	db := open(t, patient)
	commits := 0
	db.OnCommit(func() { commits++ })
	emit := func(_ context.Context, tx *Tx) error { return tx.Emit(message("k", 1)) }
	ctx := t.Context()
	for _, err := range together(t, db, []context.Context{ctx, ctx, ctx, ctx}, emit, emit, emit, emit) {
		must(t, err)
	}
	if commits != 1 {
		t.Errorf("%d commits for writers that waited, want 1", commits)
	}
	db = open(t, func(c *Config) { c.Share = time.Nanosecond })
	commits = 0
	db.OnCommit(func() { commits++ })
	for _, err := range together(t, db, []context.Context{ctx, ctx, ctx, ctx}, emit, emit, emit, emit) {
		must(t, err)
	}
	if commits != 4 {
		t.Errorf("%d commits with no time to share, want 4", commits)
	}
}

// A caller that gives up while others hold the transaction learns that it cannot know the outcome, and one that
// waits for its turn that nothing happened.
func TestGivingUp(t *testing.T) {
	db := open(t, patient)
	emit := func(_ context.Context, tx *Tx) error { return tx.Emit(message("k", 1)) }
	waiting, cancelWaiting := context.WithCancel(t.Context())
	member, cancelMember := context.WithCancel(t.Context())
	result := make(chan error, 1)
	errs := together(t, db, []context.Context{member, t.Context(), waiting},
		emit,
		func(context.Context, *Tx) error {
			cancelWaiting()
			for db.commit.waiting() > 0 {
				runtime.Gosched()
			}
			cancelMember()
			go func() { result <- nil }()
			return <-result
		}, emit)
	if !errors.Is(errs[2], context.Canceled) || errors.Is(errs[2], ErrCommitUnknown) {
		t.Errorf("while waiting for the turn: %v", errs[2])
	}
	if errs[0] != nil && !errors.Is(errs[0], ErrCommitUnknown) {
		t.Errorf("while waiting for the commit: %v", errs[0])
	}
	must(t, errs[1])
	if got := fmt.Sprint(pending(t, db)); got != "[k1]" {
		t.Errorf("pending %v", got)
	}
}

// A caller that gives up at the very moment it is given the turn passes it on.
func TestGivingUpPassesTheTurn(t *testing.T) {
	db := open(t)
	c := &db.commit
	nothing := func(context.Context, *Tx) error { return nil }
	for range 20 {
		c.mu.Lock()
		c.busy = true // the test has the turn
		c.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- db.InTx(ctx, nothing) }()
		for c.waiting() == 0 {
			runtime.Gosched()
		}
		c.mu.Lock()
		cancel()
		time.Sleep(time.Millisecond) // it wants to leave the queue, for which it needs the lock
		next := c.queue[0]
		c.queue = nil
		next.turn <- nil
		c.mu.Unlock()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		must(t, db.InTx(ctx, nothing))
		cancel()
	}
}

func TestCloseWaits(t *testing.T) {
	db := open(t)
	entered := make(chan struct{})
	closed := make(chan error, 1)
	must(t, db.InTx(t.Context(), func(_ context.Context, tx *Tx) error {
		close(entered)
		go func() { closed <- db.Close() }()
		select {
		case err := <-closed:
			t.Errorf("Close did not wait for the transaction: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		return tx.Emit(message("k", 1))
	}))
	must(t, <-closed)
}

// A second process that holds the write lock makes a call fail as unavailable after the busy timeout, and only then.
func TestBusy(t *testing.T) {
	db := open(t, func(c *Config) { c.Busy = 50 * time.Millisecond })
	other, err := Open(t.Context(), Config{URL: db.file}, db.log)
	must(t, err)
	defer func() { must(t, other.Close()) }()
	nothing := func(context.Context, *Tx) error { return nil }
	must(t, other.InTx(t.Context(), func(ctx context.Context, _ *Tx) error {
		if err := db.InTx(ctx, nothing); !Unavailable(err) {
			t.Errorf("got %v, want an error that says unavailable", err)
		}
		return nil
	}))
	must(t, db.InTx(t.Context(), nothing))
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "file:", ":memory:"} {
		if _, err := Open(t.Context(), Config{URL: url}, nil); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
}

func TestPragmas(t *testing.T) {
	db := open(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var w, r string
		must(t, db.write.QueryRow("PRAGMA "+pragma).Scan(&w))
		must(t, db.read.QueryRow("PRAGMA "+pragma).Scan(&r))
		if w != want || r != want {
			t.Errorf("%s: %s for writing, %s for reading, want %s", pragma, w, r, want)
		}
	}
	if _, err := db.Reader().Exec("DELETE FROM outbox"); err == nil {
		t.Error("a reader could write")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
