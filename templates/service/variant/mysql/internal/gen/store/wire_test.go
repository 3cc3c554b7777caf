package store

import (
	"context"
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

// TestRoundTrips is the price list of InTx: BEGIN, the statements of the function, COMMIT, and one more for any
// number of events. Nothing else is said.
func TestRoundTrips(t *testing.T) {
	cfg := testConfig(rig.MySQL(t))
	cfg.MaxConns = 1
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
	if err := db.pool.Close(); err != nil {
		t.Fatal(err)
	}
	db.pool = pool(c, 1)
	for _, tt := range []struct{ statements, events, want int }{{1, 0, 3}, {1, 1, 4}, {3, 1, 6}, {1, 100, 4}, {0, 1, 3}} {
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
	for _, word := range []string{"get_lock", "lock tables", "for update", "call "} {
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
