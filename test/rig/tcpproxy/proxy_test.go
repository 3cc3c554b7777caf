package tcpproxy

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo starts a server that sends back what it gets, and reports every byte that reached it.
func echo(t *testing.T) (addr string, got <-chan byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	seen := make(chan byte, 1024)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				buf := make([]byte, 1)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					seen <- buf[0]
					if _, err := c.Write(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), seen
}

func setUp(t *testing.T) (*Proxy, net.Conn, <-chan byte) {
	t.Helper()
	addr, got := echo(t)
	p, err := Listen("127.0.0.1:0", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, dial(t, p), got
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends one byte and waits up to d for it to come back.
func ask(c net.Conn, b byte, d time.Duration) error {
	// A byte that was not even written would be silence too.
	if err := c.SetWriteDeadline(time.Now().Add(soon)); err != nil {
		return err
	}
	if _, err := c.Write([]byte{b}); err != nil {
		return err
	}
	return await(c, b, d)
}

func await(c net.Conn, b byte, d time.Duration) error {
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	buf := make([]byte, 1)
	if _, err := io.ReadFull(c, buf); err != nil {
		return err
	}
	if buf[0] != b {
		return errors.New("another byte came back")
	}
	return nil
}

const (
	soon = 60 * time.Second // on a loaded machine
	// silence is how long a test listens before it believes that nothing comes.
	silence = 100 * time.Millisecond
)

func mustWork(t *testing.T, c net.Conn, b byte) {
	t.Helper()
	if err := ask(c, b, soon); err != nil {
		t.Fatalf("byte %q: %v", b, err)
	}
}

func mustBeSilent(t *testing.T, c net.Conn, b byte) {
	t.Helper()
	if err := ask(c, b, silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("byte %q: %v, want silence", b, err)
	}
}

// becomes waits for a number: the silence of a wire does not say that it has taken notice already.
func becomes(t *testing.T, what string, got func() int, want int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(soon); got() != want; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: %d, want %d", what, got(), want)
		}
	}
}

func mustBreak(t *testing.T, c net.Conn) {
	t.Helper()
	if err := ask(c, 'x', soon); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v, want a broken connection", err)
	}
}

// mustRefuse wants a new connection to be of no use, whether the reset arrives before or after its first byte.
func mustRefuse(t *testing.T, p *Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	mustBreak(t, c)
}

func TestCut(t *testing.T) {
	p, c, _ := setUp(t)
	mustWork(t, c, 'a')
	p.Cut()
	mustBreak(t, c)
	mustRefuse(t, p)
	p.Heal()
	mustWork(t, dial(t, p), 'b')
}

func TestReset(t *testing.T) {
	p, c, _ := setUp(t)
	mustWork(t, c, 'a')
	p.Reset()
	mustBreak(t, c)
	mustWork(t, dial(t, p), 'b')
}

func TestStallKeepsTheBytes(t *testing.T) {
	p, c, got := setUp(t)
	mustWork(t, c, 'a')
	<-got
	p.Stall()
	mustBeSilent(t, c, 'b')
	if len(got) > 0 {
		t.Error("a byte got through a stalled wire")
	}
	p.Heal()
	if err := await(c, 'b', soon); err != nil {
		t.Errorf("after the stall: %v", err)
	}
}

func TestHalfOpen(t *testing.T) {
	p, c, got := setUp(t)
	mustWork(t, c, 'a')
	<-got
	p.HalfOpen()
	fresh := dial(t, p)
	mustBeSilent(t, c, 'b')
	mustBeSilent(t, fresh, 'c')
	if len(got) > 0 {
		t.Error("a byte reached a target that has vanished")
	}
	becomes(t, "connections that have lost something", p.Holed, 2)
	p.Heal()
	mustBreak(t, c)
	mustBreak(t, fresh)
	mustWork(t, dial(t, p), 'd')
}

func TestDropReplies(t *testing.T) {
	p, c, got := setUp(t)
	mustWork(t, c, 'a')
	<-got
	p.DropReplies()
	mustBeSilent(t, c, 'b')
	if b := <-got; b != 'b' {
		t.Errorf("the target got %q, want 'b'", b)
	}
	becomes(t, "bytes of answers dropped", func() int { return int(p.Dropped()) }, 1)
	p.Heal()
	mustBreak(t, c) // its stream has a hole
	mustWork(t, dial(t, p), 'c')
}

func TestLatency(t *testing.T) {
	p, c, _ := setUp(t)
	const delay = 50 * time.Millisecond
	p.Latency(delay)
	began := time.Now()
	mustWork(t, c, 'a')
	if took := time.Since(began); took < 2*delay {
		t.Errorf("there and back in %v, want at least %v", took, 2*delay)
	}
}

func TestCloseEndsStalledConnections(t *testing.T) {
	p, c, _ := setUp(t)
	mustWork(t, c, 'a')
	p.Stall()
	mustBeSilent(t, c, 'b')
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if n := p.Links(); n != 0 {
		t.Errorf("%d connections left", n)
	}
	mustBreak(t, c)
}

func TestTargetNotUp(t *testing.T) {
	p, err := Listen("127.0.0.1:0", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	mustRefuse(t, p)
}
