package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

// wire counts turns of the conversation, bytes written after bytes were read, and keeps what was said.
type wire struct {
	mu     sync.Mutex
	trips  int
	asking bool
	said   strings.Builder
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c wireConn) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	if !c.wire.asking {
		c.wire.asking = true
		c.wire.trips++
	}
	c.wire.said.Write(b)
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

func (c wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.wire.mu.Lock()
		c.wire.asking = false
		c.wire.mu.Unlock()
	}
	return n, err
}

// TestRoundTrips is the price list of InTx: the statements of the function and one more, whatever the events; two more
// with events where they cannot go with COMMIT. Nothing else is said.
func TestRoundTrips(t *testing.T) {
	t.Run("compound", func(t *testing.T) { testRoundTrips(t, true) })
	t.Run("as on MySQL", func(t *testing.T) { testRoundTrips(t, false) })
}

func testRoundTrips(t *testing.T, compound bool) {
	t.Helper()
	cfg := testConfig(rig.MySQL(t))
	cfg.MaxConns, cfg.Compound = 1, compound
	db := migrated(t, cfg)
	w := &wire{}
	m, err := cfg.options()
	if err != nil {
		t.Fatal(err)
	}
	m.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return wireConn{Conn: c, wire: w}, err
	}
	c, err := newConnector(m, cfg, db.log)
	if err != nil {
		t.Fatal(err)
	}
	c.own = true
	if err := db.own.Close(); err != nil {
		t.Fatal(err)
	}
	db.own = pool(c, 1)
	// What InTx adds to the statements without events, and with them.
	plain, events := 1, 1
	if !compound {
		events = 2
	}
	for _, tt := range []struct{ statements, events, want int }{
		{1, 0, 1 + plain}, {1, 1, 1 + events}, {3, 1, 3 + events}, {1, 100, 1 + events}, {0, 1, events}, {0, 0, 0},
	} {
		run := func() {
			err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				for range tt.statements {
					if _, err := tx.ExecContext(ctx, upsert, "a"); err != nil {
						return err
					}
				}
				for i := range tt.events {
					if err := tx.Emit(outbox.Message{Topic: "t", Key: fmt.Sprint(i), Type: "T"}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		run() // connects
		w.mu.Lock()
		w.trips = 0
		w.mu.Unlock()
		run()
		if w.trips != tt.want {
			t.Errorf("%d statements and %d events: %d round trips, want %d", tt.statements, tt.events, w.trips, tt.want)
		}
	}
	said := strings.ToLower(w.said.String())
	for _, word := range []string{"get_lock", "lock tables", "for update", "call ", "start transaction"} {
		if strings.Contains(said, word) {
			t.Errorf("the business connection said %q", word)
		}
	}
	if !strings.Contains(said, "insert into outbox") {
		t.Error("the recording is empty: the test proves nothing")
	}
	var triggers int
	if err := db.pool.QueryRowContext(t.Context(), `SELECT count(*) FROM information_schema.triggers WHERE event_object_table LIKE 'outbox%'`).Scan(&triggers); err != nil || triggers != 0 {
		t.Errorf("%d triggers on the outbox, %v", triggers, err)
	}
}

// TestOwnConnections holds what connections with autocommit off must not do to a caller.
func TestOwnConnections(t *testing.T) {
	cfg := testConfig(rig.MySQL(t))
	cfg.MaxConns = 1 // the next transaction is on the same one
	db := migrated(t, cfg)
	ctx := t.Context()
	boom := errors.New("boom")
	exec := func(statements ...string) func(context.Context, *Tx) error {
		return func(ctx context.Context, tx *Tx) error {
			for _, s := range statements {
				if _, err := tx.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	insert := func(name string) string { return "INSERT INTO counter VALUES ('" + name + "', 1)" }

	if err := db.InTx(ctx, exec("SET autocommit = 1")); !errors.Is(err, errAutocommit) {
		t.Errorf("autocommit: %v", err)
	}
	if err := db.InTx(ctx, exec(insert("a")+"; "+insert("b"))); err == nil || count(t, db) != 0 {
		t.Errorf("two statements in one: %v, %d rows", err, count(t, db))
	}
	err := db.InTx(ctx, func(ctx context.Context, tx *Tx) error { return errors.Join(exec(insert("a"))(ctx, tx), boom) })
	if !errors.Is(err, boom) {
		t.Error(err)
	}
	if err := db.InTx(ctx, exec("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", insert("b"))); err != nil {
		t.Error(err)
	}
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want the one that was committed", n)
	}
	// An event the table refuses: the transaction is gone, and is not in the way of the next.
	if _, err := db.pool.ExecContext(ctx, "ALTER TABLE outbox ADD CONSTRAINT narrow CHECK (topic <> 'narrow')"); err != nil {
		t.Fatal(err)
	}
	err = db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
		if err := exec(insert("c"))(ctx, tx); err != nil {
			return err
		}
		return tx.Emit(outbox.Message{Topic: "narrow", Key: "a", Type: "T"})
	})
	if err == nil || errors.Is(err, ErrCommitUnknown) {
		t.Errorf("a refused event: %v, want an error that is certain", err)
	}
	hostile := `x'; COMMIT; END; -- \`
	err = db.InTx(ctx, func(_ context.Context, tx *Tx) error {
		return tx.Emit(outbox.Message{Topic: "t", Key: hostile, Type: "T", Payload: []byte(hostile + "\x00\xff")})
	})
	if err != nil || count(t, db) != 1 || pending(t, db) != 1 {
		t.Errorf("after it: %v, %d rows, %d events; want one of each", err, count(t, db), pending(t, db))
	}
	letters, err := db.Queue().List(ctx, false, 10)
	if err != nil || len(letters) != 1 || letters[0].Key != hostile {
		t.Errorf("listed %+v, %v", letters, err)
	}
}
