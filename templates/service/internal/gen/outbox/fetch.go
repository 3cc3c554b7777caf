package outbox

import (
	"context"
	"time"
)

// room is how many more rows the lane may take in; 0 while that would be a page not worth reading.
func (l *lane) room() int {
	room := min(l.cap-len(l.held), l.r.cfg.Batch)
	if room < min(l.r.cfg.Batch, l.cap)/4+1 || l.size >= l.bytes {
		return 0
	}
	return room
}

// fetch starts reading the next page when it is time.
func (l *lane) fetch(ctx context.Context, now time.Time) {
	room := l.room()
	if l.fetching != nil || room == 0 || len(l.leases) == 0 || now.Before(l.fetchAt) {
		return
	}
	p := Page{Owner: l.r.owner, Again: l.forgot, Limit: room, Bytes: l.bytes - l.size}
	l.forgot = 0
	f := &fetching{leases: make(map[int16]int64, len(l.leases)), stale: make(map[Key]bool), limit: room}
	for _, s := range l.leases {
		p.Leases = append(p.Leases, s)
		f.leases[s.Shard] = s.Epoch
	}
	for row := range l.held {
		p.Held = append(p.Held, row)
	}
	for _, b := range l.topics {
		// A tripped destination is probed with what is in memory, or else with what the next page brings.
		if s := b.state(now); s == open || s == halfOpen && b.rows > 0 {
			p.Topics = append(p.Topics, b.topic)
		}
	}
	for key, w := range l.pauses {
		if now.Before(w.until) {
			p.Keys = append(p.Keys, key)
		}
	}
	for key, q := range l.queues {
		if q.full || q.leave || q.rejecting {
			p.Keys = append(p.Keys, key)
		}
	}
	l.fetching, l.refetch, l.fetched = f, false, now
	l.ops.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, opTimeout)
		defer cancel()
		recs, err := l.r.q.Fetch(ctx, p)
		l.inbox.put(func(in *inbox) { in.page = &page{recs, err} })
	})
}

// afterFetch takes a page in and decides when to read the next.
func (l *lane) afterFetch(p *page, now time.Time) {
	f := l.fetching
	l.fetching, l.took = nil, now.Sub(l.fetched)
	if p.err != nil {
		l.setbacks++
		l.r.failure("fetch", p.err)
		l.fetchAt = now.Add(backoff(l.setbacks, &l.r.cfg))
		return
	}
	l.setbacks = 0
	taken := make(map[string]int)
	for i := range p.recs {
		l.take(&p.recs[i], f, taken, now)
	}
	switch {
	case len(p.recs) > 0:
		l.idleFor = l.r.cfg.PollMin
	case l.idleFor == 0:
		l.idleFor = l.r.cfg.PollMin
	default:
		l.idleFor = min(2*l.idleFor, l.r.cfg.PollMax)
	}
	l.fetchAt = now.Add(jitter(l.idleFor))
	if len(p.recs) >= f.limit {
		l.fetchAt = now // there is more
	}
	if l.refetch {
		l.fetchWoken()
	}
	l.report(now)
}

// take puts one fetched row into its key's queue, unless it must not be there (stale) or there are enough of them.
// Each reason to leave a row out holds for the rest of the page as well, so no row of the key behind it gets in.
func (l *lane) take(rec *Record, f *fetching, taken map[string]int, now time.Time) {
	key := Key{rec.Topic, rec.Key}
	if l.held[rec.Row] {
		return
	}
	cur, leased := l.leases[rec.Shard]
	if !leased || cur.Epoch != f.leases[rec.Shard] || f.stale[key] {
		l.refetch = l.refetch || f.stale[key]
		l.again(rec.Row)
		return
	}
	b := l.breaker(rec.Topic)
	q := l.queues[key]
	full := q != nil && len(q.items) >= l.keyCap()
	spare := b.state(now) == closed || taken[rec.Topic] < probeRows
	if full {
		q.full = true
	}
	if full || !spare || q != nil && q.leave {
		l.again(rec.Row)
		return
	}
	if q == nil {
		q = &keyQueue{key: key, shard: rec.Shard, breaker: b}
		l.queues[key] = q
	}
	it := &item{rec: *rec, q: q, size: len(rec.Payload)}
	q.add(it)
	taken[rec.Topic]++
	b.rows++
	l.held[rec.Row] = true
	l.size += it.size
	l.enqueue(q)
}

// keyCap bounds one key's rows in memory, so that a busy key leaves room for others.
func (l *lane) keyCap() int {
	if l.r.pipelines {
		return max(l.cap/2, 1)
	}
	return min(keyRows, max(l.cap/2, 1))
}
