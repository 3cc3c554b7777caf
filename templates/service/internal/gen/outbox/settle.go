package outbox

import (
	"context"
	"time"
)

// settled is the result of one database call about rows the broker has answered.
type settled struct {
	rows []int64 // deleted
	q    *keyQueue
	gone bool // the refused row has left the queue
	err  error
}

// settle starts writing down the broker's answers, when it is time: deletes in large chunks, refusals one by one.
func (l *lane) settle(ctx context.Context, now time.Time, stopping bool) {
	if l.settling || now.Before(l.settleAt) && !(stopping && l.setbacks == 0) {
		return
	}
	if full := len(l.accepted) >= settleRows; len(l.refused) > 0 && !full && !stopping {
		l.reject(ctx)
		return
	}
	if len(l.accepted) == 0 {
		return
	}
	n := min(len(l.accepted), settleRows)
	rows := l.accepted[:n:n]
	l.settling = true
	l.ops.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		err := l.r.q.Delete(ctx, rows)
		l.inbox.put(func(in *inbox) { in.settled = &settled{rows: rows, err: err} })
	})
}

func (l *lane) reject(ctx context.Context) {
	q := l.refused[0]
	it := q.items[0]
	l.settling = true
	l.ops.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		gone, err := l.r.q.Reject(ctx, it.rec.Row, it.err.Error(), l.r.cfg.MaxAttempts, l.r.cfg.OnDead == BlockKey)
		l.inbox.put(func(in *inbox) { in.settled = &settled{q: q, gone: gone, err: err} })
	})
}

// afterSettle takes the result in. A failed call is made again after a pause: until then its rows stay held, so
// that they are not fetched and sent once more.
func (l *lane) afterSettle(s *settled, now time.Time) {
	l.settling = false
	if s.err != nil {
		l.setbacks++
		l.r.failure("settle", s.err)
		l.settleAt = now.Add(backoff(l.setbacks, &l.r.cfg))
		return
	}
	l.setbacks = 0
	if s.q != nil {
		l.afterReject(s, now)
		return
	}
	for _, row := range s.rows {
		delete(l.held, row)
	}
	l.accepted = l.accepted[len(s.rows):]
	l.settleAt = now.Add(linger)
	if len(l.accepted) >= l.enough() {
		l.settleAt = now
	}
}

// enough accepted rows are deleted at once: the next page needs their room.
func (l *lane) enough() int { return min(settleRows, l.cap/4+1) }

// afterReject goes on with a key whose oldest row was refused. If the row has left the queue, by our hand or by
// another relay's, its successors in memory must not be sent from there: the key may be blocked now. They are
// fetched again if it is not.
func (l *lane) afterReject(s *settled, now time.Time) {
	q := s.q
	l.refused = l.refused[1:]
	q.rejecting = false
	it := q.items[0]
	switch {
	case s.gone:
		// Not the key: it may be somebody's address. outbox ls --dead shows it.
		l.r.log.Error("event refused for good", "topic", q.key.Topic, "row", it.rec.Row, "id", it.rec.ID,
			"policy", l.r.cfg.OnDead, "error", it.err)
		l.forget(q)
		l.fetchSoon(now)
	case q.leave:
		l.forget(q)
	default:
		l.pause(q, now, it.rec.Attempts+1)
	}
}
