package store

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/svcgen/svcgen/test/rig"
)

// late is a connection that carries a cancel request, which arrives when the statement it is for has ended: also when
// whoever sent it has not waited.
type late struct {
	net.Conn
	after <-chan struct{}
	sent  chan struct{}
}

func (l late) Write(b []byte) (int, error) {
	b = bytes.Clone(b)
	go func() {
		defer close(l.sent)
		<-l.after
		_, _ = l.Conn.Write(b) // an error shows in the test: nothing is cancelled
	}()
	return len(b), nil
}

func (l late) Close() error {
	go func() {
		<-l.sent
		_ = l.Conn.Close() // nobody needs it any more
	}()
	return nil
}

// waitedFor is a session with a lock that a statement can wait for.
func waitedFor(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) }) // nothing depends on it
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock(1)"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestLateCancel: however late a cancel request is, the next statement on the connection goes on.
func TestLateCancel(t *testing.T) {
	for name, tt := range map[string]struct {
		arrives time.Duration // after the statement has ended
		kept    bool
	}{
		"after the driver's patience": {300 * time.Millisecond, true},
		"never in time":               {2 * cancelWithin, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := rig.Postgres(t)
			cfg, err := testConfig(url).business()
			if err != nil {
				t.Fatal(err)
			}
			holder := waitedFor(t, url)
			arrive, asked, dials := make(chan struct{}), make(chan struct{}), atomic.Int32{}
			cfg.MaxConns = 1
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				if dials.Add(1) == 2 {
					close(asked)
					return late{conn, arrive, make(chan struct{})}, err
				}
				return conn, err
			}
			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			var pid, again int
			if err := pool.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, err := pool.Exec(ctx, "SELECT pg_advisory_xact_lock(1)")
				done <- err
			}()
			eventually(t, func() bool {
				var waits bool
				err := holder.QueryRow(t.Context(), "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", pid).Scan(&waits)
				return err == nil && waits
			})
			cancel()
			<-asked
			if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock(1)"); err != nil { // which ends the statement
				t.Fatal(err)
			}
			time.AfterFunc(tt.arrives, func() { close(arrive) })
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the statement of a caller who has gone: %v", err)
			}
			// Long enough for the request to meet it.
			if err := pool.QueryRow(t.Context(), "SELECT pg_backend_pid() FROM pg_sleep($1)", (2 * tt.arrives).Seconds()).Scan(&again); err != nil {
				t.Errorf("the next statement: %v", err)
			}
			if kept := pid == again; kept != tt.kept {
				t.Errorf("the connection is kept: %t, want %t", kept, tt.kept)
			}
		})
	}
}
