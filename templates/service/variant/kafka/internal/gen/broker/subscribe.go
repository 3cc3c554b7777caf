package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// pollMax is how many records a poll takes at most.
const pollMax = 500

// Subscribe hands the messages of sub to handle until ctx is done (the result is nil) or the broker is closed.
// Messages of one partition, and so of one key, are handled in order, one at a time; partitions run beside each other
// and are shared by the replicas. A message whose handler returns an error or panics is tried again after a growing
// pause; later ones of its partition wait for it. Its offset is committed after the handler, so after a crash it
// comes again.
//
// A new group begins with the oldest message the topic still has.
func (b *Broker) Subscribe(ctx context.Context, sub Subscription, handle func(context.Context, *Delivery) error) error {
	if sub.Topic == "" || sub.Group == "" {
		return fmt.Errorf("subscribe: topic %q and group %q are required", sub.Topic, sub.Group)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	if err := b.topics.ensure(ctx, sub.Topic); err != nil {
		b.log.Warn("topic not created", "topic", sub.Topic, "error", err) // it may be there all the same
	}
	c := newConsumer(ctx, b, sub, handle)
	common, err := b.cfg.options(b.source, b.log)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	client, err := kgo.NewClient(append(common, c.options()...)...)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer b.report(sub, nil)
	b.report(sub, errConnecting)
	for ctx.Err() == nil {
		c.poll(ctx, client)
	}
	c.leave(client)
	if sub.Temporary {
		b.forget(sub)
	}
	if b.ctx.Err() != nil {
		return errClosed
	}
	return nil
}

// forget deletes the group of a temporary subscription. Where it cannot, the cluster does so after some days.
func (b *Broker) forget(sub Subscription) {
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.Timeout)
	defer cancel()
	if _, err := kadm.NewClient(b.client).DeleteGroup(ctx, groupName(sub)); err != nil {
		b.log.Debug("temporary group left behind", "group", groupName(sub), "error", err)
	}
}

// groupName is the consumer group of one subscription. Each has its own: members of a group share its partitions,
// so two subscriptions in one group would each miss what the other is given.
func groupName(sub Subscription) string {
	name := sub.Group + "." + sub.Topic
	if sub.Type != "" {
		name += "." + sub.Type
	}
	return name
}

func (b *Broker) report(sub Subscription, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.health[sub] = err
}

func (c *consumer) options() []kgo.Opt {
	from := kgo.NewOffset().AtStart()
	if c.sub.Temporary {
		from = kgo.NewOffset().AtEnd()
	}
	return []kgo.Opt{
		kgo.ConsumerGroup(groupName(c.sub)), kgo.ConsumeTopics(c.sub.Topic),
		kgo.ConsumeResetOffset(from),
		// Only what a handler has finished is committed, and no partition moves while a poll is being handed out.
		kgo.AutoCommitMarks(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(c.assigned), kgo.OnPartitionsRevoked(c.revoked), kgo.OnPartitionsLost(c.lost),
		kgo.FetchMaxWait(500 * time.Millisecond),
		// The client fetches ahead from every broker at once, for each subscription.
		kgo.FetchMaxBytes(8 << 20),
		// Nobody waits for a replica that was killed much longer than its restart takes.
		kgo.SessionTimeout(15 * time.Second), kgo.HeartbeatInterval(2 * time.Second), kgo.RebalanceTimeout(max(30*time.Second, 2*c.b.cfg.Grace)),
	}
}

// poll takes what has come and hands it to the lanes; it never waits for a handler, for that would hold up the group.
func (c *consumer) poll(ctx context.Context, client *kgo.Client) {
	defer client.AllowRebalance()
	fetches := client.PollRecords(ctx, pollMax)
	fetches.EachError(func(_ string, _ int32, err error) {
		if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			c.b.log.Warn("fetch failed", "group", groupName(c.sub), "error", err)
			c.b.report(c.sub, err)
		}
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			c.b.report(c.sub, nil)
			c.give(client, p.Partition, p.Records)
		}
	})
}
