package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/rig"
)

// TestFaults breaks one private RabbitMQ after the other ways. Each case ends with the server well again.
func TestFaults(t *testing.T) {
	server := rig.Private(t, rig.StartRabbitMQ)
	for _, f := range []struct {
		name string
		test func(*testing.T, *rig.RabbitMQServer)
	}{
		{"acknowledgement lost", testAckLost},
		{"connections closed by the broker", testConnectionsClosed},
		{"cut", testCut},
		{"half open", testHalfOpen},
		{"paused", testPaused},
		{"blocked", testBlocked},
		{"killed", testKilled},
		{"consumer cut", testConsumerCut},
		{"down at start", testDownAtStart},
	} {
		t.Run(f.name, func(t *testing.T) { f.test(t, server) })
	}
}

// testAckLost: the broker has the message, the publisher cannot know. It must be told as unknown and sent again.
func testAckLost(t *testing.T, server *rig.RabbitMQServer) {
	topic := rig.Unique("orders")
	tp := listen(t, server.URL(), topic, nil)
	b := open(t, hasty(server.ProxyURL()))
	resend(t, b, message(topic, "before"))
	dropped := server.Proxy().Dropped()
	server.Proxy().DropReplies()
	defer server.Proxy().Heal()
	m := message(topic, "k")
	outcome := begin(t, b, m)
	if seen := tp.through(m.ID.String()); len(seen) != 2 {
		t.Fatalf("the tap saw %v, want the first message and the second", seen)
	}
	err := await(t, outcome)
	wantOutage(t, err)
	if !errors.Is(err, errUnknown) {
		t.Errorf("%v, want it to say that the outcome is unknown", err)
	}
	if server.Proxy().Dropped() == dropped {
		t.Fatal("void: no answer was lost")
	}
	server.Proxy().Heal()
	resend(t, b, m)
	if d := tp.next(); d.MessageId != m.ID.String() {
		t.Errorf("the tap saw %s, want the same message again", d.MessageId)
	}
}

func testConnectionsClosed(t *testing.T, server *rig.RabbitMQServer) {
	lossless(t, server.URL(), server.URL(), 3, func() {
		_, err := server.Ctl(context.Background(), "close_all_connections", "test")
		must(t, err)
	})
}

func testCut(t *testing.T, server *rig.RabbitMQServer) {
	lossless(t, server.ProxyURL(), server.URL(), 10, server.Proxy().Reset)
}

func testHalfOpen(t *testing.T, server *rig.RabbitMQServer) {
	defer server.Proxy().Heal()
	broken := 0
	lossless(t, server.ProxyURL(), server.URL(), 2, func() {
		// Even calls break the wire, odd ones mend it.
		if broken++; broken%2 == 1 {
			server.Proxy().HalfOpen()
			eventually(t, "the wire is broken", func() error {
				if server.Proxy().Holed() == 0 {
					return errors.New("nothing was lost yet: the broker or the disk takes its time")
				}
				return nil
			})
		} else {
			server.Proxy().Heal()
		}
	})
}

func testKilled(t *testing.T, server *rig.RabbitMQServer) {
	lossless(t, server.URL(), server.URL(), 1, func() {
		must(t, server.Restart(context.Background()))
	})
}

// lossless publishes over one key after the other, with faults in between, as the relay does: what has failed is sent
// again. Then all must be there, and the first occurrences of each key in order.
func lossless(t *testing.T, url, tapURL string, faults int, fault func()) {
	t.Helper()
	topic := rig.Unique("orders")
	tp := listen(t, tapURL, topic, nil)
	b := open(t, hasty(url))
	connected(t, b)
	const keys = 20
	type result struct {
		key, sent, failed int
		err               error
	}
	stop, results := make(chan struct{}), make(chan result, keys)
	for k := range keys {
		go func() {
			r := result{key: k}
			for r.err == nil {
				m := message(topic, keyOf(k))
				m.Payload = fmt.Append(nil, r.sent)
				var tries int
				tries, r.err = tryResend(t, b, m)
				r.failed += tries - 1
				r.sent++
				select {
				case <-stop:
					results <- r
					return
				default:
				}
			}
			results <- r
		}()
	}
	// Load before the first fault and between them. RabbitMQ 3.10 does not find a quorum queue again that was declared
	// less than about half a second before the node was killed; that is not what this test is about.
	load := 2 * time.Second
	for range faults {
		<-time.After(load)
		load = 300 * time.Millisecond
		fault()
	}
	close(stop)
	total, failed := 0, 0
	for range keys {
		r := <-results
		must(t, r.err)
		total += r.sent
		failed += r.failed
	}
	t.Logf("%d messages, %d failed tries", total, failed)
	if failed == 0 {
		t.Error("void: no fault was felt")
	}
	if p := tp.ch; p.IsClosed() { // the server was restarted; its queue has survived
		ch, err := raw(t, tapURL).Channel()
		must(t, err)
		tp.ch, tp.deliveries = ch, nil
	}
	next := map[string]int{}
	for missing := total; missing > 0; {
		d := tp.next()
		key := fmt.Sprint(d.Headers["cloudEvents_partitionkey"])
		var n int
		_, err := fmt.Sscan(string(d.Body), &n)
		must(t, err)
		switch {
		case n > next[key]:
			t.Fatalf("%s: %d before %d", key, n, next[key])
		case n == next[key]:
			next[key]++
			missing--
		} // else a duplicate
	}
}

// testPaused: a broker that answers nothing is an outage after the timeout, not a hang.
func testPaused(t *testing.T, server *rig.RabbitMQServer) {
	topic := rig.Unique("orders")
	tp := listen(t, server.URL(), topic, nil)
	b := open(t, hasty(server.URL()))
	resend(t, b, message(topic, "before"))
	defer func() { _ = server.Resume() }() // in any case: other cases need it
	must(t, server.Pause())
	m := message(topic, "k")
	began := time.Now()
	err := publish(t, b, m)
	took := time.Since(began)
	afterwards := publish(t, b, message(topic, "other"))
	must(t, server.Resume())
	wantOutage(t, err)
	wantOutage(t, afterwards)
	if took > patience/2 {
		t.Errorf("the outage took %v to show", took)
	}
	resend(t, b, m)
	tp.through(m.ID.String())
}

// atOnce is well below config's timeout.
const atOnce = 10 * time.Second

// testBlocked: a broker short of memory stops reading. Publish and Close must not wait for it.
func testBlocked(t *testing.T, server *rig.RabbitMQServer) {
	ctx := context.Background()
	topic := rig.Unique("orders")
	tp := listen(t, server.URL(), topic, nil)
	b, other := open(t, config(server.URL())), open(t, config(server.URL()))
	for _, b := range []*Broker{b, other} {
		must(t, publish(t, b, message(topic, "before")))
	}
	_, err := server.Ctl(ctx, "set_vm_memory_high_watermark", "absolute", "1")
	must(t, err)
	unblock := func() {
		_, err := server.Ctl(ctx, "set_vm_memory_high_watermark", "absolute", "1GB")
		must(t, err)
	}
	defer unblock()
	// The broker tells a connection that it is blocked when that publishes for the first time. That message is in
	// limbo: neither accepted nor lost.
	var limbo []<-chan error
	var messages []string
	for _, b := range []*Broker{b, other} {
		eventually(t, "the gate closes", func() error {
			if err := b.Status(); err != nil && strings.Contains(err.Error(), "takes no messages") {
				return nil
			}
			m := message(topic, "limbo")
			messages = append(messages, m.ID.String())
			limbo = append(limbo, begin(t, b, m))
			return errors.New("not blocked yet")
		})
		began := time.Now()
		wantOutage(t, publish(t, b, message(topic, "k")))
		if took := time.Since(began); took > atOnce {
			t.Errorf("a blocked broker held Publish for %v", took)
		}
	}
	began := time.Now()
	must(t, other.Close(ctx))
	if took := time.Since(began); took > atOnce {
		t.Errorf("a blocked broker held Close for %v", took)
	}
	unblock()
	connected(t, b)
	m := message(topic, "after")
	must(t, publish(t, b, m))
	seen := tp.through(m.ID.String())
	for i, o := range limbo {
		if err := await(t, o); err == nil && seen[messages[i]] != 1 {
			t.Errorf("message %d was accepted and seen %d times", i, seen[messages[i]])
		}
	}
}

// testConsumerCut: a delivery whose acknowledgement is lost with the connection comes again, and nothing is lost.
func testConsumerCut(t *testing.T, server *rig.RabbitMQServer) {
	sub := newSub(t, server.URL())
	publisher, b := open(t, config(server.URL())), open(t, config(server.ProxyURL()))
	c := subscribe(t, b, sub, nil)
	const total = 500
	next := 0
	for n := range total {
		m := message(sub.Topic, "k")
		m.Payload = fmt.Append(nil, n)
		must(t, publish(t, publisher, m))
		if n%100 == 50 {
			server.Proxy().Reset()
		}
	}
	for next < total {
		var n int
		_, err := fmt.Sscan(string(c.next().Payload), &n)
		must(t, err)
		if n > next {
			t.Fatalf("%d before %d", n, next)
		}
		if n == next {
			next++
		}
	}
}

func testDownAtStart(t *testing.T, server *rig.RabbitMQServer) {
	must(t, server.Kill())
	b := open(t, hasty(server.URL()))
	topic := rig.Unique("orders")
	wantOutage(t, publish(t, b, message(topic, "k")))
	if b.Status() == nil {
		t.Error("status is fine with no broker")
	}
	must(t, server.Start(context.Background()))
	connected(t, b)
	listen(t, server.URL(), topic, nil)
	resend(t, b, message(topic, "k"))
}
