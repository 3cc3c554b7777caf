package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/svcgen/svcgen/test/rig"
)

// consumerOf runs one Subscribe and notes what its handler gets.
type consumerOf struct {
	t    testing.TB
	got  chan Delivery
	end  context.CancelFunc
	done chan error
}

// subscribe returns at once; a new group begins with the oldest message. fail, when not nil, says what the handler
// returns.
func subscribe(t testing.TB, b *Broker, sub Subscription, fail func(*Delivery) error) *consumerOf {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &consumerOf{t: t, got: make(chan Delivery, 100_000), end: cancel, done: make(chan error, 1)}
	go func() {
		c.done <- b.Subscribe(ctx, sub, func(_ context.Context, d *Delivery) error {
			if fail != nil {
				if err := fail(d); err != nil {
					return err
				}
			}
			c.got <- *d
			return nil
		})
	}()
	t.Cleanup(cancel)
	return c
}

func (c *consumerOf) next() Delivery {
	c.t.Helper()
	select {
	case d := <-c.got:
		return d
	case err := <-c.done:
		c.t.Fatalf("the subscription ended: %v", err)
	}
	return Delivery{}
}

func (c *consumerOf) stop() error {
	c.end()
	return <-c.done
}

func newSub(t testing.TB, brokers string, partitions int32) Subscription {
	return Subscription{Topic: newTopic(t, brokers, partitions), Group: rig.Unique("billing"), Type: testType}
}

// TestBacklog: more than a lane holds, with a slow start, so that partitions are paused and go on.
func TestBacklog(t *testing.T) {
	brokers := rig.Kafka(t)
	b, sub := open(t, config(brokers)), newSub(t, brokers, 2)
	const total = 6 * laneFull
	var outcomes []<-chan error
	for n := range total {
		m := message(sub.Topic, keyOf(n%7))
		m.Payload = fmt.Append(nil, n)
		outcomes = append(outcomes, begin(t, b, m))
	}
	for _, o := range outcomes {
		must(t, await(t, o))
	}
	gate := make(chan struct{})
	c := subscribe(t, b, sub, func(*Delivery) error {
		<-gate
		return nil
	})
	connected(t, b)
	close(gate)
	last := map[string]int{}
	for range total {
		d := c.next()
		var n int
		_, err := fmt.Sscan(string(d.Payload), &n)
		must(t, err)
		if before, seen := last[d.Key]; seen && n <= before {
			t.Fatalf("key %s: %d after %d", d.Key, n, before)
		}
		last[d.Key] = n
	}
	must(t, c.stop())
	if lag := lagOf(t, brokers, sub); lag != 0 {
		t.Errorf("%d messages are not committed", lag)
	}
}

// TestMemoryIsBounded: large records pause their partition as many do, so that slow handlers do not fill the memory; every
// partition has its share, and goes on when its handlers have caught up.
func TestMemoryIsBounded(t *testing.T) {
	client, err := kgo.NewClient(kgo.ConsumeTopics("orders"))
	must(t, err)
	defer client.Close()
	c := &consumer{sub: Subscription{Topic: "orders", Group: "g"}, lanes: map[int32]*lane{}}
	for p := range int32(2) {
		c.lanes[p] = &lane{c: c, client: client, partition: p, wake: make(chan struct{}, 1)}
	}
	paused := func() []int32 { return client.PauseFetchPartitions(nil)["orders"] }
	large := make([]byte, 256<<10)
	given := 0
	for ; len(paused()) == 0 && given < laneFull; given++ {
		c.give(client, 1, []*kgo.Record{{Key: []byte("k"), Value: large}})
	}
	if bytes := given * len(large); bytes > heldBytes/2 || bytes < heldBytes/4 {
		t.Errorf("paused with %d records of %d bytes, want about %d bytes in them", given, len(large), heldBytes/2)
	}
	for len(paused()) > 0 && given > 0 {
		given--
		c.lanes[1].next()
	}
	if bytes := given * len(large); bytes > heldBytes/8 || bytes < heldBytes/16 {
		t.Errorf("goes on with %d bytes left, want a quarter of its share", bytes)
	}
	for range 20 {
		c.give(client, 0, []*kgo.Record{{Value: make([]byte, heldBytes)}}) // larger than all
	}
	c.lanes[0].drop()
	if p := paused(); len(p) > 0 {
		t.Errorf("partitions %v are paused without anything in memory", p)
	}
}

func lagOf(t testing.TB, brokers string, sub Subscription) int64 {
	t.Helper()
	lags, err := kadm.NewClient(raw(t, brokers)).Lag(t.Context(), groupName(sub))
	must(t, err)
	l := lags[groupName(sub)]
	must(t, l.Error())
	return l.Lag.Total()
}

// TestUnfinishedComesAgain: what a handler did not finish when its subscription ended is delivered to the next one,
// and what it did finish is not.
func TestUnfinishedComesAgain(t *testing.T) {
	brokers := rig.Kafka(t)
	b, sub := open(t, config(brokers)), newSub(t, brokers, 1)
	for n := range 5 {
		m := message(sub.Topic, "k")
		m.Payload = fmt.Append(nil, n)
		must(t, publish(t, b, m))
	}
	tried := make(chan struct{}, 1000)
	c := subscribe(t, b, sub, func(d *Delivery) error {
		if string(d.Payload) == "2" {
			tried <- struct{}{}
			return errors.New("never")
		}
		return nil
	})
	<-tried
	must(t, c.stop())
	if d := subscribe(t, b, sub, nil).next(); string(d.Payload) != "2" {
		t.Errorf("the next member begins with %s, want 2", d.Payload)
	}
}

// TestRebalance: members come and go under load; every message is handled, and the first time in order per key.
func TestRebalance(t *testing.T) {
	brokers := rig.Kafka(t)
	sub := newSub(t, brokers, 6)
	var mu sync.Mutex
	next, again := map[string]int{}, 0
	var wrong error
	note := func(d *Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		var n int
		if _, err := fmt.Sscan(string(d.Payload), &n); err != nil {
			return err
		}
		switch {
		case n == next[d.Key]:
			next[d.Key]++
		case n > next[d.Key] && wrong == nil:
			wrong = fmt.Errorf("%s: %d before %d", d.Key, n, next[d.Key])
		default:
			again++
		}
		return nil
	}
	b := open(t, config(brokers))
	const keys, each = 12, 60
	members := []*consumerOf{subscribe(t, b, sub, note)}
	for n := range each {
		for k := range keys {
			m := message(sub.Topic, keyOf(k))
			m.Payload = fmt.Append(nil, n)
			must(t, publish(t, b, m))
		}
		switch n % 20 {
		case 5, 10:
			members = append(members, subscribe(t, open(t, config(brokers)), sub, note))
		case 15:
			must(t, members[0].stop())
			members = members[1:]
		}
	}
	eventually(t, "all is handled", func() error {
		mu.Lock()
		defer mu.Unlock()
		if wrong != nil {
			t.Fatal(wrong)
		}
		for k := range keys {
			if next[keyOf(k)] < each {
				return fmt.Errorf("%s is at %d", keyOf(k), next[keyOf(k)])
			}
		}
		return nil
	})
	t.Logf("%d delivered again", again)
	// One that leaves while the others are assigned what another had cannot commit, and they do instead.
	last := len(members) - 1
	for _, m := range members[:last] {
		must(t, m.stop())
	}
	eventually(t, "all is committed", func() error {
		if lag := lagOf(t, brokers, sub); lag != 0 {
			return fmt.Errorf("%d messages are not", lag)
		}
		return nil
	})
	must(t, members[last].stop())
	if lag := lagOf(t, brokers, sub); lag != 0 {
		t.Errorf("%d messages are not committed any more", lag)
	}
}

// TestForeignRecordsArePassedOver: something that is no event does not hold the partition up.
func TestForeignRecordsArePassedOver(t *testing.T) {
	brokers := rig.Kafka(t)
	b, sub := open(t, config(brokers)), newSub(t, brokers, 1)
	must(t, raw(t, brokers).ProduceSync(t.Context(), &kgo.Record{Topic: sub.Topic, Value: []byte("no event")}).FirstErr())
	m := message(sub.Topic, "k")
	must(t, publish(t, b, m))
	c := subscribe(t, b, sub, nil)
	if d := c.next(); d.ID != m.ID {
		t.Errorf("got %s, want %s", d.ID, m.ID)
	}
	must(t, c.stop())
	if lag := lagOf(t, brokers, sub); lag != 0 {
		t.Errorf("%d messages are not committed", lag)
	}
}

func TestSubscribeEndsWithTheBroker(t *testing.T) {
	brokers := rig.Kafka(t)
	b, sub := open(t, config(brokers)), newSub(t, brokers, 1)
	c := subscribe(t, b, sub, nil)
	must(t, publish(t, b, message(sub.Topic, "k")))
	c.next()
	must(t, b.Close(t.Context()))
	if err := <-c.done; !errors.Is(err, errClosed) {
		t.Errorf("subscribe returned %v", err)
	}
	if err := b.Subscribe(t.Context(), Subscription{Topic: "t"}, nil); err == nil {
		t.Error("a subscription without a group was accepted")
	}
}

// TestTemporary: a temporary subscription gets what comes while it is there, and leaves no group in the cluster.
func TestTemporary(t *testing.T) {
	brokers := rig.Kafka(t)
	topic := newTopic(t, brokers, 2)
	b := open(t, config(brokers))
	must(t, publish(t, b, message(topic, "before")))
	sub := Subscription{Topic: topic, Group: rig.Unique("g"), Temporary: true}
	c := subscribe(t, b, sub, nil)
	eventually(t, "it gets what comes", func() error {
		must(t, publish(t, b, message(topic, "k")))
		if len(c.got) == 0 {
			return errors.New("nothing yet")
		}
		return nil
	})
	if d := c.next(); d.Key != "k" {
		t.Errorf("got %+v", d)
	}
	must(t, c.stop())
	groups, err := kadm.NewClient(raw(t, brokers)).ListGroups(t.Context())
	must(t, err)
	if _, there := groups[groupName(sub)]; there {
		t.Error("the group is still there")
	}
}
