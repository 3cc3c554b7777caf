package outbox

import (
	"slices"
	"sync/atomic"
	"time"
)

// keyQueue holds the rows of one key that a lane has in memory, oldest first.
//
// Invariant: they are the key's oldest pending rows without a gap. Rows enter by pages that leave out nothing of
// the key but what is here, and leave at the front when accepted, or all together (forget).
//
// Rule: the next row is sent only while no row before it has failed; without pipelining, only when none is in
// flight. After a failure nothing is sent until every row in flight has its answer; then the key starts again from
// its oldest row that was not accepted.
type keyQueue struct {
	key       Key
	shard     int16
	breaker   *breaker // of the topic
	items     []*item
	sent      int         // items[:sent] are with the broker, or were and failed
	inflight  int         // those without an answer
	failed    atomic.Bool // set within the broker's callback, so that the very next send sees it
	rejecting bool        // the refusal of items[0] is being written down
	leave     bool        // forget when nothing is in flight: the shard or the destination is gone
	waiting   bool        // in the lane's ready list or parked at the breaker
	full      bool        // left out of fetches until it has drained
	gone      bool        // forgotten: entries in lists are void
}

// item is one row with the broker or on its way there.
type item struct {
	rec  Record
	q    *keyQueue
	gen  int   // the breaker's, when sent
	size int   // bytes of payload
	err  error // the last answer
}

// next returns the row that may be sent now, or nil.
func (q *keyQueue) next(pipelines bool) *item {
	if q.sent == len(q.items) || q.rejecting || q.leave || q.failed.Load() || !pipelines && q.inflight > 0 {
		return nil
	}
	return q.items[q.sent]
}

func (q *keyQueue) markSent() {
	q.sent++
	q.inflight++
}

// add appends a fetched row. A row requeued by an operator may be older than what is here; it goes before the
// first one not yet sent.
func (q *keyQueue) add(it *item) {
	at := len(q.items)
	for at > q.sent && q.items[at-1].rec.Row > it.rec.Row {
		at--
	}
	q.items = slices.Insert(q.items, at, it)
}

// accept takes it out of the queue.
func (q *keyQueue) accept(it *item) {
	i := slices.Index(q.items, it) // the first one, but for answers out of order
	q.items = slices.Delete(q.items, i, i+1)
	q.sent--
}

// pause is the wait of a key after a failure. Its rows are not kept meanwhile.
type pause struct {
	until    time.Time
	failures int
	lifted   bool // it is over, and the rows were asked for
}

// maxPauses bounds the keys that wait one by one; with more the destination counts as down.
const maxPauses = 500
