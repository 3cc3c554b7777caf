// Package tcpproxy is a TCP wire that tests can break: cut it, stall it, let one end vanish, slow it down, or lose
// the answers. It forwards bytes between a listener and one target address and knows nothing of what they mean.
//
// A fault holds for open connections and for new ones until Heal or the next fault.
package tcpproxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

type mode int

const (
	forward     mode = iota
	cut              // connections are reset, new ones too
	stall            // bytes wait in both directions
	halfOpen         // the target is gone, the client is not told
	dropReplies      // requests arrive, answers are lost
)

// Proxy forwards connections to one target. All methods may be called from any goroutine.
type Proxy struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change of mode
	mode    mode
	latency time.Duration
	links   map[*link]struct{}
	dropped int64
	closed  bool
}

// Listen starts a proxy on addr (port 0 for any) that forwards to target, which need not be up yet.
func Listen(addr, target string) (*Proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("proxy for %s: %w", target, err)
	}
	p := &Proxy{listener: l, target: target, changed: make(chan struct{}), links: map[*link]struct{}{}}
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Cut resets every connection, and every new one as soon as it is accepted.
func (p *Proxy) Cut() { p.set(cut, 0); p.reset() }

// Reset resets the connections that are open now; new ones are served.
func (p *Proxy) Reset() { p.reset() }

// Stall holds all bytes back in both directions; Heal lets them go on.
func (p *Proxy) Stall() { p.set(stall, 0) }

// HalfOpen makes the target vanish without a word: the client's bytes are swallowed, nothing is answered and no
// connection is closed, new ones included. Heal resets those connections.
func (p *Proxy) HalfOpen() { p.set(halfOpen, 0) }

// DropReplies lets requests through and swallows every answer. Heal resets the connections that lost one, for
// a TCP stream cannot go on with a hole in it.
func (p *Proxy) DropReplies() { p.set(dropReplies, 0) }

// Latency delays every byte by d in each direction, without limiting the rate.
func (p *Proxy) Latency(d time.Duration) { p.set(forward, d) }

// Heal ends the fault.
func (p *Proxy) Heal() {
	p.set(forward, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if l.holed {
			l.reset()
		}
	}
}

// Links is the number of connections that are open now.
func (p *Proxy) Links() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Dropped counts the bytes of answers that were swallowed so far, so that a test can wait until a fault has bitten.
func (p *Proxy) Dropped() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

// Holed is the number of connections that have lost bytes and are still open, so that a test can wait until a fault has
// bitten.
func (p *Proxy) Holed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if l.holed {
			n++
		}
	}
	return n
}

// Close resets all connections and returns when every goroutine has ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.done.Wait()
	return err
}

func (p *Proxy) set(m mode, latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.latency = m, latency
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.done.Go(func() { p.serve(client) })
	}
}

// state returns what holds now and a channel that tells when that changes.
func (p *Proxy) state() (mode, time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.latency, p.changed
}
