package broker

import (
	"net"
	"sync"
	"time"
)

// maxUnsent is how many bytes may wait for the socket before Write does.
const maxUnsent = 256 << 10

// conn is a net.Conn whose writes do not wait for the socket: one goroutine sends all that has gathered since its
// last write. The AMQP library flushes after every message; this makes one system call of many. Each write to the
// socket has a deadline, so that a broker that stops reading cannot hold a publisher for ever.
type conn struct {
	net.Conn
	timeout time.Duration

	mu     sync.Mutex
	cond   *sync.Cond // data has come, room has come, or the end
	unsent []byte
	err    error // why no more can be written
	closed sync.Once
}

func newConn(c net.Conn, timeout time.Duration) *conn {
	w := &conn{Conn: c, timeout: timeout}
	w.cond = sync.NewCond(&w.mu)
	go w.send()
	return w
}

// Write takes all of b or fails; an error may belong to an earlier Write.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && len(c.unsent) >= maxUnsent {
		c.cond.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	c.unsent = append(c.unsent, b...)
	c.cond.Broadcast()
	return len(b), nil
}

func (c *conn) send() {
	var batch []byte
	for {
		c.mu.Lock()
		for c.err == nil && len(c.unsent) == 0 {
			c.cond.Wait()
		}
		if c.err != nil {
			c.mu.Unlock()
			return
		}
		batch, c.unsent = c.unsent, batch[:0]
		c.cond.Broadcast()
		c.mu.Unlock()
		err := c.SetWriteDeadline(time.Now().Add(c.timeout))
		if err == nil {
			_, err = c.Conn.Write(batch)
		}
		if err != nil {
			_ = c.end(err) // what Write is told is the first cause
			return
		}
	}
}

// Close ends the connection at once; what has not been sent is lost, as on any connection that breaks.
func (c *conn) Close() error { return c.end(net.ErrClosed) }

func (c *conn) end(cause error) (err error) {
	c.closed.Do(func() {
		c.mu.Lock()
		c.err = cause
		c.cond.Broadcast()
		c.mu.Unlock()
		err = c.Conn.Close()
	})
	return err
}
