package store

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// notifyEvery bounds how often a process notifies: a commit with a NOTIFY holds a lock that is global to the
	// database cluster.
	notifyEvery = 10 * time.Millisecond
	// pingEvery bounds how long a dead listening connection goes unnoticed.
	pingEvery = 5 * time.Second
	// reconnectAfter is the wait after listening failed.
	reconnectAfter = time.Second
	// deafEvery is how often a process that cannot listen asks for leases.
	deafEvery = 700 * time.Millisecond

	// One channel for each schema, since several services may share a database. The payload is the sender, and
	// aboutLeases when it is about them.
	channelName = `'outbox_' || current_schema()`
	notify      = `SELECT pg_notify(` + channelName + `, $1)`
	aboutLeases = " leases"
)

// waker implements outbox.Waker with LISTEN and NOTIFY, on connections that no business transaction uses.
type waker struct {
	pool *pgxpool.Pool
	off  bool
	self string // payload of this process's notifications, which it need not hear
	log  *slog.Logger
	want chan struct{}
	solo atomic.Bool
}

func newWaker(pool *pgxpool.Pool, off bool, log *slog.Logger) *waker {
	return &waker{pool: pool, off: off, self: uuid.NewString(), log: log, want: make(chan struct{}, 1)}
}

// Notify implements outbox.Waker. A process that holds every shard has nobody to tell.
func (q *Queue) Notify() {
	if q.wake.off || q.wake.solo.Load() {
		return
	}
	select {
	case q.wake.want <- struct{}{}:
	default: // one is on its way
	}
}

// Listen implements outbox.Waker.
func (q *Queue) Listen(ctx context.Context, wake func(leases bool)) {
	if q.wake.off {
		for ctx.Err() == nil {
			pause(ctx, deafEvery)
			wake(true) // nobody can tell
		}
		return
	}
	var sender sync.WaitGroup
	sender.Go(func() { q.wake.send(ctx) })
	defer sender.Wait()
	for ctx.Err() == nil {
		err := q.wake.listen(ctx, wake)
		if ctx.Err() != nil {
			return
		}
		q.wake.log.WarnContext(ctx, "outbox wake-ups interrupted, the relay polls", "error", err)
		pause(ctx, reconnectAfter)
		wake(true) // for what went unheard
	}
}

// alone notes whether this process holds every shard.
func (w *waker) alone(yes bool) { w.solo.Store(yes) }

// queueLeases adds a notification about leases to b, which must not be a business transaction.
func (w *waker) queueLeases(b *pgx.Batch) {
	if !w.off {
		b.Queue(notify, w.self+aboutLeases)
	}
}

// tellLeases lets the relays of all processes, this one too, ask for their leases again when tx commits; it must not
// be a business transaction. Unlike Notify it needs no Listen: an operator's command does not run one.
func (w *waker) tellLeases(ctx context.Context, tx pgx.Tx) error {
	if w.off {
		return nil
	}
	_, err := tx.Exec(ctx, notify, aboutLeases)
	return err
}

// send turns wishes into notifications, at most one every notifyEvery.
func (w *waker) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.want:
		}
		if _, err := w.pool.Exec(ctx, notify, w.self); err != nil && ctx.Err() == nil {
			w.log.DebugContext(ctx, "outbox wake-up not sent", "error", err)
		}
		pause(ctx, notifyEvery)
	}
}

// listen hears notifications on a connection of its own until that or ctx ends.
func (w *waker) listen(ctx context.Context, wake func(leases bool)) error {
	cfg := w.pool.Config().ConnConfig.Copy()
	// Waiting is not a statement that could be cancelled on the server.
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: c.Conn()}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye) // the server sees the socket close in any case
	}()
	var channel string
	if err := conn.QueryRow(ctx, `SELECT quote_ident(`+channelName+`)`).Scan(&channel); err != nil {
		return fmt.Errorf("read channel name: %w", err)
	}
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	for {
		wait, cancel := context.WithTimeout(ctx, pingEvery)
		n, err := conn.WaitForNotification(wait)
		quiet := wait.Err() != nil
		cancel()
		switch {
		case err == nil:
			if sender, leases := strings.CutSuffix(n.Payload, aboutLeases); sender != w.self {
				wake(leases)
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case quiet:
			answer, cancel := context.WithTimeout(ctx, pingEvery)
			err := conn.Ping(answer)
			cancel()
			if err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		default:
			return fmt.Errorf("wait for notification: %w", err)
		}
	}
}

// pause waits for d or for ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
