package broker

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
)

// What may wait in memory for the handlers: records of a lane, and bytes of a subscription, of which each lane has an
// equal share. With more of either the partition is paused, and goes on below a quarter of both.
const (
	laneFull  = 2 * pollMax
	heldBytes = 16 << 20
)

// consumer is one member of a subscription's group. The client calls assigned, revoked and lost.
type consumer struct {
	ctx    context.Context
	b      *Broker
	sub    Subscription
	handle event.Handler

	mu    sync.Mutex
	lanes map[int32]*lane
}

// lane handles one partition, record after record.
type lane struct {
	c         *consumer
	client    *kgo.Client
	partition int32
	cancel    context.CancelFunc
	ended     chan struct{}

	mu     sync.Mutex
	queue  []*kgo.Record
	bytes  int // in it
	most   int // of them
	paused bool
	wake   chan struct{} // has room for one signal
}

func newConsumer(ctx context.Context, b *Broker, sub Subscription, handle event.Handler) *consumer {
	return &consumer{ctx: ctx, b: b, sub: sub, handle: handle, lanes: make(map[int32]*lane)}
}

// assigned starts a lane for each partition that this member is given.
func (c *consumer) assigned(_ context.Context, client *kgo.Client, given map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range given[c.sub.Topic] {
		ctx, cancel := context.WithCancel(c.ctx)
		l := &lane{c: c, client: client, partition: p, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
		c.lanes[p] = l
		go l.run(ctx)
	}
	c.b.report(c.sub, nil)
	c.b.log.Info("partitions assigned", "group", groupName(c.sub), "partitions", given[c.sub.Topic])
}

// revoked ends the lanes of partitions that go to another member, and commits what they have finished before that one
// begins.
func (c *consumer) revoked(ctx context.Context, client *kgo.Client, taken map[string][]int32) {
	c.end(taken[c.sub.Topic])
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		c.b.log.Warn("offsets not committed, messages will come again", "group", groupName(c.sub), "error", err)
	}
}

// lost ends the lanes of partitions that another member has already: a commit would be refused.
func (c *consumer) lost(_ context.Context, _ *kgo.Client, taken map[string][]int32) {
	c.end(taken[c.sub.Topic])
}

func (c *consumer) end(partitions []int32) {
	c.mu.Lock()
	var ending []*lane
	for _, p := range partitions {
		if l := c.lanes[p]; l != nil {
			delete(c.lanes, p)
			l.cancel()
			ending = append(ending, l)
		}
	}
	c.mu.Unlock()
	for _, l := range ending {
		<-l.ended
	}
}

// leave ends all lanes, commits, and leaves the group.
func (c *consumer) leave(client *kgo.Client) {
	client.CloseAllowingRebalance() // calls revoked for what is held
	c.mu.Lock()
	var rest []int32
	for p := range c.lanes {
		rest = append(rest, p)
	}
	c.mu.Unlock()
	c.end(rest)
}

// give hands records to their lane.
func (c *consumer) give(client *kgo.Client, partition int32, records []*kgo.Record) {
	c.mu.Lock()
	l := c.lanes[partition]
	share := heldBytes / max(len(c.lanes), 1)
	c.mu.Unlock()
	if l == nil {
		return // revoked between the fetch and now; the next owner fetches them again
	}
	l.mu.Lock()
	l.most = share
	l.queue = append(l.queue, records...)
	for _, r := range records {
		l.bytes += sizeOf(r)
	}
	if (len(l.queue) >= laneFull || l.bytes >= l.most) && !l.paused {
		l.paused = true
		client.PauseFetchPartitions(map[string][]int32{c.sub.Topic: {partition}})
	}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) run(ctx context.Context) {
	defer close(l.ended)
	work, cancel := event.Linger(ctx, l.c.b.cfg.Grace)
	defer cancel()
	defer l.drop() // whoever gets the partition next in this client must not find it paused
	cfg := l.c.b.cfg
	lane := event.Lane{Group: l.c.sub.Group, RetryMin: cfg.RetryMin, RetryMax: cfg.RetryMax, Log: l.c.b.log}
	for {
		r := l.next()
		if r == nil {
			select {
			case <-ctx.Done():
				return
			case <-l.wake:
			}
			continue
		}
		if ctx.Err() != nil || !l.take(ctx, work, lane, r) {
			return
		}
		l.client.MarkCommitRecords(r)
	}
}

// take handles r, or passes it over when the subscription does not want it; false when the lane has to end.
func (l *lane) take(ctx, work context.Context, lane event.Lane, r *kgo.Record) bool {
	d, err := parse(r)
	if err != nil {
		// It would be the same the next time. Whoever put it here has to know.
		l.c.b.log.Error("message passed over", "group", groupName(l.c.sub), "error", err)
		return true
	}
	if l.c.sub.Type != "" && d.Type != l.c.sub.Type {
		return true
	}
	return lane.Handle(ctx, work, d, l.c.handle)
}

func (l *lane) next() *kgo.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	r := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.bytes -= sizeOf(r)
	l.resumeLocked()
	return r
}

func (l *lane) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue, l.bytes = nil, 0
	l.resumeLocked()
}

// sizeOf is what r keeps in memory, roughly.
func sizeOf(r *kgo.Record) int { return len(r.Key) + len(r.Value) }

func (l *lane) resumeLocked() {
	if l.paused && len(l.queue) <= laneFull/4 && l.bytes <= l.most/4 {
		l.paused = false
		l.client.ResumeFetchPartitions(map[string][]int32{l.c.sub.Topic: {l.partition}})
	}
}
