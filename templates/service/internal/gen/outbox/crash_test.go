package outbox_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
	"github.com/svcgen/svcgen/templates/service/migrations"
)

// The tests below kill real processes: the test binary starts itself with childEnv set, and the child dies by its
// own hand at a chosen point, or by the parent's at any. Production code has no hooks for this; the child wraps the
// interfaces between the parts.
const (
	childEnv = "OUTBOX_TEST_CHILD"
	dirEnv   = "OUTBOX_TEST_DIR"
)

func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // until the signal is there
}

func openStore(t testing.TB, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{URL: filepath.Join(dir, "test.db"), Readers: 2, Busy: 5 * time.Second, Share: 5 * time.Millisecond},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	return db
}

// relay runs a relay between db and p until the returned function is called.
func relay(t testing.TB, db *store.DB, q outbox.Queue, p outbox.Publisher) (stop func()) {
	t.Helper()
	r, err := outbox.NewRelay(q, p, outbox.Config{}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	db.OnCommit(r.Wake)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// drain relays until the outbox is empty.
func drain(t testing.TB, db *store.DB, p outbox.Publisher) {
	t.Helper()
	stop := relay(t, db, db.Queue(), p)
	defer stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		s, err := db.Queue().Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Pending == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d events are still in the outbox", s.Pending)
		}
	}
}

type deadlyPublisher struct{ outbox.Publisher }

func (deadlyPublisher) Publish(context.Context, *outbox.Message, func(error)) { die() }

type deadlyQueue struct{ outbox.Queue }

func (deadlyQueue) Delete(context.Context, []int64) error { die(); return nil }

// TestChild is the process that dies. It does nothing when it is not told to.
func TestChild(t *testing.T) {
	point := os.Getenv(childEnv)
	if point == "" {
		t.Skip("runs as a child of the other tests")
	}
	dir := os.Getenv(dirEnv)
	db := openStore(t, dir)
	if point == "load" {
		load(t, db, dir)
	}
	var q outbox.Queue = db.Queue()
	mem, err := broker.Open(t.Context(), brokerConfig, "/svc/test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var p outbox.Publisher = mem
	switch point {
	case "before publish":
		p = deadlyPublisher{p}
	case "before delete":
		q = deadlyQueue{q}
	case "after commit":
		db.OnCommit(die)
	}
	relay(t, db, q, p)
	err = db.InTx(t.Context(), func(_ context.Context, tx *store.Tx) error {
		if err := tx.Emit(outbox.Message{Topic: "t", Key: "k", Type: "t", Payload: []byte(point)}); err != nil {
			return err
		}
		if point == "in transaction" {
			die()
		}
		return nil
	})
	t.Fatalf("the child survived: %v", errors.Join(err, wait(t, 2*time.Minute)))
}

func wait(t testing.TB, d time.Duration) error {
	select {
	case <-time.After(d):
		return errors.New("timed out")
	case <-t.Context().Done():
		return t.Context().Err()
	}
}

var brokerConfig = broker.Config{Backlog: 1000, RetryMin: time.Millisecond, RetryMax: time.Second}

func child(t *testing.T, point, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestChild$", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), childEnv+"="+point, dirEnv+"="+dir)
	return cmd
}

// TestKilled: a process dies at each point between the transaction and the delete, and starts again. The event
// arrives if, and only if, it was committed.
func TestKilled(t *testing.T) {
	for point, want := range map[string]int{"in transaction": 0, "after commit": 1, "before publish": 1, "before delete": 1} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			out, err := child(t, point, dir).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || strings.Contains(string(out), "FAIL") {
				t.Fatalf("the child was not killed: %v\n%s", err, out)
			}
			if got := restart(t, dir); len(got) != want || want == 1 && got[0] != point {
				t.Errorf("after the restart %q arrived, want %d events", got, want)
			}
		})
	}
}

// restart opens the store again and returns what a subscriber of the memory broker gets.
func restart(t *testing.T, dir string) (got []string) {
	db := openStore(t, dir)
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	mem, err := broker.Open(t.Context(), brokerConfig, "/svc/test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	drain(t, db, mem)
	if err := mem.Watch(t.Context(), 0, false, func(s broker.Seen) error { got = append(got, string(s.Payload)); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestFailedTransactionEmitsNothing: a function that returns an error after Emit leaves no event, while events
// committed before and after it arrive.
func TestFailedTransactionEmitsNothing(t *testing.T) {
	dir := t.TempDir()
	db := openStore(t, dir)
	boom := errors.New("boom")
	for _, c := range []struct {
		payload string
		err     error
	}{{"before", nil}, {"ghost", boom}, {"after", nil}} {
		err := db.InTx(t.Context(), func(_ context.Context, tx *store.Tx) error {
			return errors.Join(tx.Emit(outbox.Message{Topic: "t", Key: "k", Type: "t", Payload: []byte(c.payload)}), c.err)
		})
		if !errors.Is(err, c.err) {
			t.Fatalf("got %v, want %v", err, c.err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(restart(t, dir)); got != "[before after]" {
		t.Errorf("%s arrived", got)
	}
}

const loadKeys = 5

// filePublisher is a broker that outlives its clients: a file in which each accepted event is a line.
type filePublisher struct {
	mu sync.Mutex
	f  *os.File
}

func (p *filePublisher) Pipelines() bool { return false }

func (p *filePublisher) Publish(_ context.Context, m *outbox.Message, done func(error)) {
	go func() {
		p.mu.Lock()
		_, err := fmt.Fprintf(p.f, "%s %s\n", m.Key, m.Payload)
		p.mu.Unlock()
		done(err)
	}()
}

// load writes and publishes until it is killed.
func load(t *testing.T, db *store.DB, dir string) {
	f, err := os.OpenFile(filepath.Join(dir, "sink"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	relay(t, db, db.Queue(), &filePublisher{f: f})
	for w := range 4 {
		go func() {
			rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(w)))
			for {
				if err := bump(t.Context(), db, rnd.IntN(loadKeys), rnd.IntN(5) == 0); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		}()
	}
	select {}
}

// bump counts key up and emits the new value; with ghost, it fails after it emitted something else.
func bump(ctx context.Context, db *store.DB, key int, ghost bool) error {
	refused := errors.New("refused")
	err := db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "UPDATE counter SET n = n + 1 WHERE name = ? RETURNING n", key).Scan(&n); err != nil {
			return err
		}
		m := outbox.Message{Topic: "t", Key: fmt.Sprint(key), Type: "t", Payload: fmt.Append(nil, n)}
		if ghost {
			m.Payload = []byte("999999")
			return errors.Join(tx.Emit(m), refused)
		}
		return tx.Emit(m)
	})
	if ghost && errors.Is(err, refused) {
		return nil
	}
	return err
}

// TestKilledUnderLoad kills the whole service again and again at random moments. In the end the events of each key
// count, by first occurrence, from 1 to what the business table says.
func TestKilledUnderLoad(t *testing.T) {
	dir := t.TempDir()
	db := openStore(t, dir)
	err := db.InTx(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE counter (name INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
		for k := range loadKeys {
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT INTO counter VALUES (?, 0)", k)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	written := func() (n int) {
		if err := db.Reader().QueryRow("SELECT sum(n) FROM counter").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for range 12 {
		before := written()
		cmd := child(t, "load", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); written() < before+50 && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond) // the child starts as fast as the machine lets it
		}
		time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	f, err := os.OpenFile(filepath.Join(dir, "sink"), os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	drain(t, db, &filePublisher{f: f})
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	var last [loadKeys]int
	lines, duplicates := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
		var key, n int
		if _, err := fmt.Sscan(s.Text(), &key, &n); err != nil {
			t.Fatalf("line %d: %q: %v", lines, s.Text(), err)
		}
		switch {
		case n <= last[key]:
			duplicates++
		case n == last[key]+1:
			last[key] = n
		default:
			t.Fatalf("line %d: event %d of key %d arrived before event %d", lines, n, key, last[key]+1)
		}
	}
	total := 0
	for k := range loadKeys {
		var n int
		if err := db.Reader().QueryRow("SELECT n FROM counter WHERE name = ?", k).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != last[k] {
			t.Errorf("key %d: the table says %d, %d events arrived", k, n, last[k])
		}
		total += n
	}
	t.Logf("%d events, %d duplicates", total, duplicates)
	if total < 500 {
		t.Errorf("only %d events: the test proves nothing", total)
	}
	if err := errors.Join(f.Close(), db.Close()); err != nil {
		t.Error(err)
	}
}
