package rpc

import (
	"net"
	"sync"
	"sync/atomic"
)

// cappedListener closes connections beyond limit as soon as they are accepted, so that a flood of them cannot
// use up file descriptors, and a load balancer learns at once to go elsewhere.
type cappedListener struct {
	net.Listener
	limit int64
	open  atomic.Int64
}

func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			return &cappedConn{Conn: conn, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = conn.Close() // refused; there is nobody to tell
	}
}

type cappedConn struct {
	net.Conn
	closed func()
}

func (c *cappedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
