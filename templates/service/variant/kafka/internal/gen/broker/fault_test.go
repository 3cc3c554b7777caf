package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/rig"
)

func startOne(ctx context.Context) (*rig.KafkaCluster, error)   { return rig.StartKafka(ctx, 1) }
func startThree(ctx context.Context) (*rig.KafkaCluster, error) { return rig.StartKafka(ctx, 3) }

// TestFaults breaks one private node one way after the other. Each case ends with the node well again.
func TestFaults(t *testing.T) {
	cluster := rig.Private(t, startOne)
	for _, f := range []struct {
		name string
		test func(*testing.T, *rig.KafkaCluster)
	}{
		{"acknowledgement lost", testAckLost},
		{"cut", testCut},
		{"half open", testHalfOpen},
		{"paused", testPaused},
		{"consumer cut", testConsumerCut},
		{"killed", testKilled},
		{"down at start", testDownAtStart},
	} {
		t.Run(f.name, func(t *testing.T) { f.test(t, cluster) })
	}
}

// TestLeaderOfThreeKilled: the two others go on, and the client finds them.
func TestLeaderOfThreeKilled(t *testing.T) {
	cluster := rig.Private(t, startThree)
	lossless(t, cluster.Brokers(), cluster.Brokers(), 1, func(topic string) {
		leader, err := leaderOf(t, cluster.Brokers(), topic, 0)
		must(t, err)
		must(t, cluster.Nodes[leader-1].Kill())
		eventually(t, "another node leads", func() error {
			now, err := leaderOf(t, cluster.Brokers(), topic, 0)
			if err == nil && now == leader {
				err = errors.New("the dead node still leads")
			}
			return err
		})
		must(t, cluster.Nodes[leader-1].Start(context.Background()))
	})
}

// testAckLost: the node has the message, the publisher cannot know. It must be told as unknown and sent again.
func testAckLost(t *testing.T, cluster *rig.KafkaCluster) {
	proxy := cluster.Nodes[0].Proxy()
	topic := newTopic(t, cluster.Brokers(), 1)
	tp := listen(t, cluster.Brokers(), topic)
	b := open(t, hasty(cluster.ProxyBrokers()))
	resend(t, b, message(topic, "before"))
	dropped := proxy.Dropped()
	proxy.DropReplies()
	defer proxy.Heal()
	m := message(topic, "k")
	outcome := begin(t, b, m)
	tp.through(m.ID)
	wantOutage(t, await(t, outcome))
	if proxy.Dropped() == dropped {
		t.Fatal("void: no answer was lost")
	}
	proxy.Heal()
	resend(t, b, m)
	if r := tp.next(); header(r, "ce_id") != m.ID.String() {
		t.Errorf("the tap saw %s, want the same message again", header(r, "ce_id"))
	}
}

func testCut(t *testing.T, cluster *rig.KafkaCluster) {
	proxy := cluster.Nodes[0].Proxy()
	defer proxy.Heal()
	down := false
	lossless(t, cluster.ProxyBrokers(), cluster.Brokers(), 2, func(string) {
		if down = !down; down {
			proxy.Cut()
			<-time.After(5 * time.Second) // longer than the delivery timeout
		} else {
			proxy.Heal()
		}
	})
}

func testHalfOpen(t *testing.T, cluster *rig.KafkaCluster) {
	proxy := cluster.Nodes[0].Proxy()
	defer proxy.Heal()
	lossless(t, cluster.ProxyBrokers(), cluster.Brokers(), 1, func(string) {
		proxy.HalfOpen()
		<-time.After(6 * time.Second) // longer than the delivery timeout
		proxy.Heal()
	})
}

func testKilled(t *testing.T, cluster *rig.KafkaCluster) {
	lossless(t, cluster.Brokers(), cluster.Brokers(), 1, func(string) {
		must(t, cluster.Nodes[0].Restart(context.Background()))
	})
}

// lossless publishes over one key after the other, with faults in between, as the relay does: what has failed is sent
// again. Then all must be there, and the first occurrences of each key in order. A client that retries by itself
// may show no failure, so the fault is known to have bitten by the slowest message.
func lossless(t *testing.T, brokers, tapBrokers string, faults int, fault func(topic string)) {
	t.Helper()
	topic := newTopic(t, tapBrokers, 4)
	b := open(t, hasty(brokers))
	connected(t, b)
	const keys = 20
	type result struct {
		key, sent, failed int
		slowest           time.Duration
		err               error
	}
	stop, results := make(chan struct{}), make(chan result, keys)
	for k := range keys {
		go func() {
			r := result{key: k}
			for r.err == nil {
				m := message(topic, keyOf(k))
				m.Payload = fmt.Append(nil, r.sent)
				began := time.Now()
				var tries int
				tries, r.err = tryResend(t, b, m)
				r.slowest = max(r.slowest, time.Since(began))
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
	for range faults {
		<-time.After(300 * time.Millisecond) // load before each fault
		fault(topic)
	}
	close(stop)
	total, failed, slowest := 0, 0, time.Duration(0)
	for range keys {
		r := <-results
		must(t, r.err)
		total += r.sent
		failed += r.failed
		slowest = max(slowest, r.slowest)
	}
	t.Logf("%d messages, %d failed tries, slowest %v", total, failed, slowest)
	if failed == 0 && slowest < 200*time.Millisecond {
		t.Error("void: no fault was felt")
	}
	tp := listen(t, tapBrokers, topic)
	next := map[string]int{}
	for missing := total; missing > 0; {
		r := tp.next()
		key := string(r.Key)
		var n int
		_, err := fmt.Sscan(string(r.Value), &n)
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

// testPaused: a broker that answers nothing is an outage after the timeout, not a hang, and does not hold Close.
func testPaused(t *testing.T, cluster *rig.KafkaCluster) {
	topic := newTopic(t, cluster.Brokers(), 1)
	b, other := open(t, hasty(cluster.Brokers())), open(t, hasty(cluster.Brokers()))
	for _, b := range []*Broker{b, other} {
		resend(t, b, message(topic, "before"))
	}
	defer func() { _ = cluster.Nodes[0].Resume() }() // in any case: other cases need it
	must(t, cluster.Nodes[0].Pause())
	m := message(topic, "k")
	began := time.Now()
	atClose := begin(t, other, message(topic, "closed over"))
	closeErr := other.Close(context.Background())
	closing := time.Since(began)
	closeOutcome := await(t, atClose)
	err := publish(t, b, m)
	took := time.Since(began)
	must(t, cluster.Nodes[0].Resume())
	must(t, closeErr)
	wantOutage(t, closeOutcome)
	wantOutage(t, err)
	if took > patience || closing > patience/2 {
		t.Errorf("the outage took %v to show, and Close %v", took, closing)
	}
	resend(t, b, m)
	listen(t, cluster.Brokers(), topic).through(m.ID)
}

// testConsumerCut: what is delivered again after a lost connection is complete and in order.
func testConsumerCut(t *testing.T, cluster *rig.KafkaCluster) {
	sub := Subscription{Topic: newTopic(t, cluster.Brokers(), 1), Group: "billing", Type: testType}
	publisher, b := open(t, config(cluster.Brokers())), open(t, config(cluster.ProxyBrokers()))
	c := subscribe(t, b, sub, nil)
	const total = 500
	for n := range total {
		m := message(sub.Topic, "k")
		m.Payload = fmt.Append(nil, n)
		must(t, publish(t, publisher, m))
		if n%100 == 50 {
			cluster.Nodes[0].Proxy().Reset()
		}
	}
	for next := 0; next < total; {
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

func testDownAtStart(t *testing.T, cluster *rig.KafkaCluster) {
	topic := newTopic(t, cluster.Brokers(), 1)
	must(t, cluster.Nodes[0].Kill())
	b := open(t, hasty(cluster.Brokers()))
	wantOutage(t, publish(t, b, message(topic, "k")))
	if b.Status() == nil {
		t.Error("status is fine with no broker")
	}
	must(t, cluster.Nodes[0].Start(context.Background()))
	connected(t, b)
	resend(t, b, message(topic, "k"))
}
