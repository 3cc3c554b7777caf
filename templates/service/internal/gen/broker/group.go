package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
)

// topic keeps the messages of one topic for its groups.
type topic struct {
	log    []Delivery // the last ones, for groups that subscribe late
	groups map[Subscription]*group
}

// group is one subscription's view of a topic: what it has not finished yet. Its members share the work. The
// order rule: a message is handed out only when no older one of its key is unfinished.
type group struct {
	sub     Subscription
	waiting []*work
	wake    chan struct{} // closed and replaced when there may be work
}

// work is one unfinished message of a group.
type work struct {
	d       Delivery
	taken   bool
	retryAt time.Time
}

func (t *topic) add(d Delivery) {
	t.log = appendRecent(t.log, d)
	for _, g := range t.groups {
		g.add(d)
	}
}

func (t *topic) slowest() *group {
	var slowest *group
	for _, g := range t.groups {
		if slowest == nil || len(g.waiting) > len(slowest.waiting) {
			slowest = g
		}
	}
	return slowest
}

func (g *group) add(d Delivery) {
	if g.sub.Type != "" && g.sub.Type != d.Type {
		return
	}
	g.waiting = append(g.waiting, &work{d: d})
	g.signal()
}

func (g *group) signal() {
	close(g.wake)
	g.wake = make(chan struct{})
}

// take returns the oldest message that may run now. When there is none, it returns how long to wait for the next
// retry; 0 means until something changes.
func (g *group) take(now time.Time) (*work, time.Duration) {
	var wait time.Duration
	var passed map[string]bool // keys with an unfinished message before the one looked at
	for _, w := range g.waiting {
		if passed[w.d.Key] {
			continue
		}
		if !w.taken {
			left := w.retryAt.Sub(now)
			if left <= 0 {
				w.taken = true
				return w, 0
			}
			if wait == 0 || left < wait {
				wait = left
			}
		}
		if passed == nil {
			passed = make(map[string]bool)
		}
		passed[w.d.Key] = true
	}
	return nil, wait
}

func (g *group) finish(w *work) {
	for i := range g.waiting {
		if g.waiting[i] == w {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			break
		}
	}
	g.signal()
}

// Subscribe hands the messages of sub to handle, one at a time, until ctx is done (the result is nil) or the broker
// is closed. A message whose handler returns an error or panics is tried again after a growing pause; later ones of
// its key wait for it, other keys do not. Subscribe with the same sub again and the calls share its messages. A new
// subscription starts with the messages still kept of its topic, and one that nobody serves any more keeps its
// place.
func (b *Broker) Subscribe(ctx context.Context, sub Subscription, handle func(context.Context, *Delivery) error) error {
	if sub.Topic == "" || sub.Group == "" {
		return fmt.Errorf("subscribe: topic %q and group %q are required", sub.Topic, sub.Group)
	}
	handling, cancel := event.Linger(ctx, b.cfg.Grace) // the handlers' context
	defer cancel()
	g := b.join(sub)
	for {
		b.mu.Lock()
		if b.isClosed() {
			b.mu.Unlock()
			return errClosed
		}
		wake := g.wake
		w, wait := g.take(time.Now())
		b.mu.Unlock()
		if w != nil {
			d := w.d // the handler's own, to change
			b.settle(ctx, g, w, event.Call(handling, b.log, &d, handle))
		}
		if ctx.Err() != nil {
			return nil
		}
		if w == nil && !b.pause(ctx, wake, wait) {
			if ctx.Err() != nil {
				return nil
			}
			return errClosed
		}
	}
}

// join returns the group of sub, new with the kept messages of the topic.
func (b *Broker) join(sub Subscription) *group {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topic(sub.Topic)
	g := t.groups[sub]
	if g == nil {
		g = &group{sub: sub, wake: make(chan struct{})}
		t.groups[sub] = g
		for _, d := range recent(t.log) {
			g.add(d)
		}
	}
	return g
}

// pause waits for a change, or for wait when it is positive; false when the subscription is over.
func (b *Broker) pause(ctx context.Context, wake <-chan struct{}, wait time.Duration) bool {
	var retry <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		retry = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-b.closed:
		return false
	case <-wake:
	case <-retry:
	}
	return true
}

func (b *Broker) settle(ctx context.Context, g *group, w *work, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		g.finish(w)
		return
	}
	if ctx.Err() != nil { // the member is going, the message is not at fault
		w.taken = false
		g.signal()
		return
	}
	pause := event.Pause(w.d.Attempt, b.cfg.RetryMin, b.cfg.RetryMax)
	w.taken = false
	w.retryAt = time.Now().Add(pause)
	b.log.DebugContext(ctx, "event is tried again", "topic", w.d.Topic, "type", w.d.Type, "id", w.d.ID, "group", g.sub.Group,
		"attempt", w.d.Attempt, "retry_in", pause, "error", err)
	w.d.Attempt++
	g.signal()
}
