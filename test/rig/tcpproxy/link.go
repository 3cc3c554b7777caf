package tcpproxy

import (
	"net"
	"sync"
	"time"
)

// link is one client connection and its connection to the target.
type link struct {
	proxy  *Proxy
	client net.Conn
	server net.Conn // nil while the target has vanished
	ended  chan struct{}
	once   sync.Once
	holed  bool // bytes were lost, the stream cannot go on; guarded by proxy.mu
}

// chunk is a piece of the stream and when it may go on.
type chunk struct {
	bytes []byte
	due   time.Time
}

func (p *Proxy) serve(client net.Conn) {
	l := &link{proxy: p, client: client, ended: make(chan struct{})}
	p.mu.Lock()
	if p.mode == cut || p.closed {
		p.mu.Unlock()
		l.reset()
		return
	}
	p.links[l] = struct{}{}
	vanished := p.mode == halfOpen
	l.holed = vanished
	p.mu.Unlock()
	defer func() {
		l.reset()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if vanished {
		<-l.ended
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	p.mu.Lock()
	l.server = server
	p.mu.Unlock()
	select {
	case <-l.ended: // reset while dialling
		setReset(server)
		return
	default:
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(client, server, false) })
	both.Go(func() { l.pump(server, client, true) })
	both.Wait()
}

// pump moves bytes one way until either end closes.
func (l *link) pump(from, to net.Conn, reply bool) {
	queue := make(chan chunk, 256)
	var writer sync.WaitGroup
	writer.Go(func() { l.write(to, queue, reply) })
	defer writer.Wait()
	defer close(queue)
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			_, latency, _ := l.proxy.state()
			select {
			case queue <- chunk{buf[:n], time.Now().Add(latency)}:
			case <-l.ended:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// write forwards what is queued, as the mode of the moment says. At the end it ends the whole link: the servers
// behind this proxy never use a connection that is closed one way.
func (l *link) write(to net.Conn, queue <-chan chunk, reply bool) {
	defer l.finish()
	for c := range queue {
		if wait := time.Until(c.due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-l.ended:
				return
			}
		}
		pass, ok := l.gate(len(c.bytes), reply)
		if !ok {
			return
		}
		if !pass {
			continue
		}
		if _, err := to.Write(c.bytes); err != nil {
			return
		}
	}
	// The reader met the end of its stream. A target that vanished does not say so.
	l.gate(0, reply)
}

// gate waits out a stall and says whether n bytes may pass; ok is false when the link has ended.
func (l *link) gate(n int, reply bool) (pass, ok bool) {
	p := l.proxy
	for {
		p.mu.Lock()
		if l.holed && p.mode == forward {
			p.mu.Unlock()
			return false, false
		}
		mode, changed := p.mode, p.changed
		drop := mode == halfOpen || mode == dropReplies && reply
		if drop && n > 0 {
			l.holed = true
			if reply {
				p.dropped += int64(n)
			}
		}
		p.mu.Unlock()
		switch {
		case drop && n > 0:
			return false, true
		case mode == cut:
			return false, false
		case mode == forward, mode == dropReplies:
			return true, true
		}
		select { // stalled, or the end of a stream that nobody may hear of
		case <-changed:
		case <-l.ended:
			return false, false
		}
	}
}

// finish closes both ends in order, after what was written has gone out.
func (l *link) finish() { l.end(func(net.Conn) {}) }

// reset closes both ends with RST, as a cut wire or a crashed host does.
func (l *link) reset() { l.end(setReset) }

func (l *link) end(prepare func(net.Conn)) {
	l.once.Do(func() {
		close(l.ended)
		prepare(l.client)
		_ = l.client.Close() // the point is that it is gone
		if l.server != nil {
			prepare(l.server)
			_ = l.server.Close()
		}
	})
}

func setReset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // fails only on a socket that is closed already
	}
}
