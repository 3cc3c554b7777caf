package outbox

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// enqueue gives q a turn in send, if it has not one already.
func (l *lane) enqueue(q *keyQueue) {
	if !q.waiting && !q.gone {
		q.waiting = true
		l.ready = append(l.ready, q)
	}
}

// send hands over every row that may go now.
func (l *lane) send(ctx context.Context) {
	for _, q := range l.ready {
		if ctx.Err() != nil {
			return
		}
		q.waiting = false
		l.sendKey(ctx, q)
	}
	clear(l.ready)
	l.ready = l.ready[:0]
}

func (l *lane) sendKey(ctx context.Context, q *keyQueue) {
	if q.gone {
		return
	}
	b := q.breaker
	for it := q.next(l.r.pipelines); it != nil; it = q.next(l.r.pipelines) {
		now := time.Now()
		if !now.Before(l.leases[q.shard].Until) {
			l.suspended = true // not ours for sure; renewed, it goes on
			return
		}
		if !b.admit(now, max(l.cap/2, 1)) {
			q.waiting = true
			b.parked = append(b.parked, q)
			return
		}
		q.markSent()
		it.gen = b.sent()
		l.flying++
		l.r.p.Publish(ctx, &it.rec.Message, func(err error) {
			if err != nil {
				q.failed.Store(true)
			}
			l.inbox.put(func(in *inbox) { in.answers = append(in.answers, answer{it, err}) })
		})
	}
}

// answered takes in the broker's answer to one message.
func (l *lane) answered(a answer, now time.Time) {
	it, q := a.it, a.it.q
	b := q.breaker
	q.inflight--
	l.flying--
	it.err = a.err
	switch {
	case a.err == nil:
		l.reached(b, it.gen)
		l.accept(it, now)
	case IsRejection(a.err):
		l.r.metrics.publishError(q.key.Topic, "rejected")
		l.r.failure("publish "+q.key.Topic, a.err)
		l.reached(b, it.gen) // a broker that refuses is a broker that answers
	default:
		l.r.metrics.publishError(q.key.Topic, "outage")
		l.r.failure("publish "+q.key.Topic, a.err)
		if b.failed(it.gen, a.err, now, &l.r.cfg) {
			l.tripped(b)
			l.report(now)
		}
	}
	l.unpark(b, now)
	if q.inflight == 0 {
		l.landed(q, now)
	} else {
		l.enqueue(q)
	}
}

// landed decides how a key goes on when all its messages have their answers.
func (l *lane) landed(q *keyQueue, now time.Time) {
	failed := q.failed.Swap(false)
	switch {
	case q.gone:
	case len(q.items) == 0:
		l.forget(q)
	case q.leave || failed && q.breaker.tripped:
		l.forget(q)
	case failed && IsRejection(q.items[0].err):
		q.rejecting = true
		l.refused = append(l.refused, q)
	case failed:
		l.pause(q, now, 0)
	default:
		l.enqueue(q)
	}
}

// accept notes that the broker has it. Its row may now be deleted, and is held until it is.
func (l *lane) accept(it *item, now time.Time) {
	q := it.q
	q.accept(it)
	delete(l.pauses, q.key)
	if q.full && len(q.items) <= l.keyCap()/4 {
		q.full = false
		l.fetchSoon(now)
	}
	b := q.breaker
	b.rows--
	l.size -= it.size
	if len(l.accepted) == 0 && l.settleAt.Before(now.Add(linger)) {
		l.settleAt = now.Add(linger)
	}
	if l.accepted = append(l.accepted, it.rec.Row); len(l.accepted) == l.enough() && l.setbacks == 0 {
		l.settleAt = now
	}
	l.r.metrics.delivered(b.label, now.Sub(it.rec.CreatedAt))
}

// pause lets a key wait after a failure, without its rows, at least as long as after that many refusals. Those are
// counted in the table, so that neither a restart nor a rest of the whole destination makes the pauses short again.
func (l *lane) pause(q *keyQueue, now time.Time, refusals int) {
	w := l.pauses[q.key]
	if w == nil {
		w = &pause{}
		l.pauses[q.key] = w
	}
	w.failures = max(w.failures+1, refusals)
	w.lifted = false
	w.until = now.Add(backoff(w.failures, &l.r.cfg))
	l.forget(q)
	if len(l.pauses) > maxPauses {
		b := q.breaker
		for key, w := range l.pauses {
			if key.Topic == b.topic {
				b.trips = max(b.trips, w.failures-1) // it rests as long as any of them would have
			}
		}
		b.last = q.items[0].err
		b.trip(now, &l.r.cfg)
		l.tripped(b)
	}
}

// forget drops a key with nothing in flight from memory. Its rows will be fetched again.
func (l *lane) forget(q *keyQueue) {
	b := q.breaker
	for _, it := range q.items {
		delete(l.held, it.rec.Row)
		l.again(it.rec.Row)
		l.size -= it.size
		b.rows--
	}
	if len(q.items) > 0 && l.fetching != nil {
		l.fetching.stale[q.key] = true
	}
	q.gone = true
	delete(l.queues, q.key)
}

// again notes that the next page must go back to row.
func (l *lane) again(row int64) {
	if l.forgot == 0 || row < l.forgot {
		l.forgot = row
	}
}

// leaveAlone forgets q, at once or when the last answer is in.
func (l *lane) leaveAlone(q *keyQueue) {
	q.leave = true
	if q.inflight == 0 && !q.rejecting {
		l.forget(q)
	}
}

// lift ends pauses that are over.
func (l *lane) lift(now time.Time) {
	for key, w := range l.pauses {
		switch over := now.Sub(w.until); {
		case over > time.Minute: // nobody came back: the row is gone
			delete(l.pauses, key)
		case over >= 0 && !w.lifted:
			w.lifted = true
			l.fetchSoon(now)
		}
	}
	for _, b := range l.topics {
		if b.tripped && !b.lifted && b.state(now) == halfOpen {
			b.lifted = true
			l.fetchSoon(now)
			l.unpark(b, now)
		}
	}
}

// breaker returns the breaker of topic.
func (l *lane) breaker(topic string) *breaker {
	b := l.topics[topic]
	if b == nil {
		b = &breaker{topic: topic, label: []metric.RecordOption{label(topic)}}
		l.topics[topic] = b
	}
	return b
}

// tripped clears memory of a destination that is down.
func (l *lane) tripped(b *breaker) {
	if !b.told {
		b.told = true
		l.r.log.Warn("destination is down, its events wait in the outbox", "topic", b.topic, "error", b.last)
	}
	b.lifted = false
	b.parked = nil
	for key, q := range l.queues {
		if key.Topic == b.topic {
			q.waiting = false
			l.leaveAlone(q)
		}
	}
	for key := range l.pauses {
		if key.Topic == b.topic {
			delete(l.pauses, key)
		}
	}
}

// reached notes that a destination answers.
func (l *lane) reached(b *breaker, gen int) {
	if !b.reached(gen) {
		return
	}
	b.told = false
	l.r.log.Info("destination is back", "topic", b.topic)
	now := time.Now()
	l.fetchSoon(now)
	l.report(now)
}

// unpark gives parked keys another turn, as many as may send.
func (l *lane) unpark(b *breaker, now time.Time) {
	n := 0
	switch b.state(now) {
	case closed:
		n = max(l.cap/2, 1) - b.inflight
	case halfOpen:
		if !b.probing {
			n = 1
		}
	}
	for n > 0 && len(b.parked) > 0 {
		q := b.parked[0]
		b.parked = b.parked[1:]
		q.waiting = false
		if !q.gone {
			l.enqueue(q)
			n--
		}
	}
}
