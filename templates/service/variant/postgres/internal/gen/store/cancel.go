package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// canceller cancels the statement of a caller who has gone, and keeps the connection: the driver's default closes it, and
// a burst of deadlines would become a burst of reconnects.
//
// A cancel request takes a way of its own, and one that is late ends the next statement on the connection, which is somebody
// else's. The driver's own handler gives it a tenth of a second, which a busy machine exceeds (jackc/pgx#2534). The server
// closes the request's connection after it has signalled the process, and a process ignores a signal that it gets between two
// statements (PostgresMain, "query cancel is supposed to be a no-op when there is no query in progress"). So the connection is
// free again when that has happened, and is closed if it is not known to have.
type canceller struct {
	conn  *pgconn.PgConn
	delay time.Duration // before the request, in which most statements end by themselves
	ended chan struct{} // closed with the statement
	safe  chan bool     // no request is under way
}

// cancelWithin is how long a cancelled statement, and the request, may take before the connection is given up.
const cancelWithin = time.Second

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(ctx context.Context) {
	// An error means a connection that is closed: there is nothing to wait for.
	_ = c.conn.Conn().SetDeadline(time.Now().Add(c.delay + cancelWithin))
	c.ended, c.safe = make(chan struct{}), make(chan bool, 1)
	go func() {
		select {
		case <-c.ended:
			c.safe <- true
			return
		case <-time.After(c.delay):
		}
		// The caller's context is over.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelWithin)
		defer stop()
		err := c.conn.CancelRequest(ctx)
		c.safe <- err == nil && ctx.Err() == nil
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	close(c.ended)
	if !<-c.safe {
		_ = c.conn.Close(context.Background()) // its deadline has passed: this waits for nothing
		return
	}
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
