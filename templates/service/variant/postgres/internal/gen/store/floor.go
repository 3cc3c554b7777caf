package store

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// The floor keeps the cost of Fetch flat. Deleted rows stay in the index until VACUUM, and VACUUM waits for the
// oldest snapshot of the database: under a backup or a long report, every Fetch from id 0 would walk over all
// rows deleted since. So would it over those that the relay holds. So Fetch begins above a row id, the floor, below
// which nothing is pending for its shards but what the relay holds.
//
// Ids are not committed in their order, so what a Fetch does not see may still come. The proof that it may not:
//
//  1. A writer draws a transaction id before it draws row ids (insertOne, insertRows).
//  2. A candidate is the last row id drawn, read first, and then a fresh transaction id. Whoever drew a row id
//     up to the candidate's has a transaction id below the candidate's, by 1. The row id is asked of a function that
//     waits for whoever is drawing. A SELECT from the sequence waits for nobody: while one id in 32 is logged, the
//     number that is logged stands in the sequence's only row, and that is 32 ahead (nextval_internal in PostgreSQL's
//     sequence.c). When the log is slow, it stands there for long.
//  3. When the oldest running transaction is not below the candidate's transaction id, all those writers have
//     ended: the candidate's row id is decided.
//  4. A page whose snapshot is taken after that sees every row up to the decided id that was committed. What it
//     does not return is gone, blocked or held by the relay.
//
// So the floor rises to the decided id, or to the last row of a full page. What the page returned the relay holds from
// then on; when it forgets a row, the next page says so (Again) and the floor sinks below that. Blocked keys
// may be below: unblocking them grows the epoch of the shard, and a new epoch begins at 0. So does a new owner.
//
// A transaction that writes to the outbox without 1 can be missed. Every sweepEvery one page begins at 0, so a
// miss, for that reason or through a mistake here, costs a delay and is counted.
type floor struct {
	mu         sync.Mutex
	off        bool
	generation int // of the server, see reset
	shards     map[int16]shardFloor
	pending    *candidate
	decided    candidate
	swept      time.Time
	missed     int64
	now        func() time.Time
}

// sweepEvery is how long a row below the floor could stay unseen.
const sweepEvery = 5 * time.Second

// shardFloor is how far one shard has been read under one lease.
type shardFloor struct{ epoch, row int64 }

// candidate is a row id, and a transaction id above those of all writers that drew up to it.
type candidate struct {
	row int64
	xid uint64
}

// proof is the SQL of steps 2 and 3 and the order of 4. It is a value so that tests can break it.
type proof struct {
	drawn  string // the last row id drawn
	fresh  string // a transaction id above all that are running
	oldest string // the oldest running transaction
	read   func(ctx context.Context, q *Queue, p outbox.Page, start int64) (xmin uint64, rows []outbox.Record, full bool, err error)
}

var xminProof = proof{
	drawn:  `SELECT coalesce(pg_sequence_last_value('outbox_id_seq'), 0)`, // NULL: none yet
	fresh:  `SELECT pg_current_xact_id()::text`,
	oldest: `SELECT pg_snapshot_xmin(pg_current_snapshot())::text`,
	read: func(ctx context.Context, q *Queue, p outbox.Page, start int64) (uint64, []outbox.Record, bool, error) {
		return q.page(ctx, p, start)
	},
}

func newFloor(off bool) *floor {
	return &floor{off: off, shards: make(map[int16]shardFloor), now: time.Now}
}

// reading is one page under way.
type reading struct {
	page       outbox.Page
	generation int
	start      int64
	known      int64 // the floor before a sweep
	decided    candidate
}

// reset forgets all that was proven. It is called for every new connection: after a crash or a failover a server
// may draw row ids and transaction ids again that were never durable, and no connection survives either.
func (f *floor) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation++
	f.pending, f.decided = nil, candidate{}
	clear(f.shards)
}

// begin says from where to read p: the lowest floor of its shards.
func (f *floor) begin(p outbox.Page) reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	low := int64(math.MaxInt64)
	for _, l := range p.Leases {
		s := f.shards[l.Shard]
		if s.epoch != l.Epoch {
			s.row = 0
		}
		if p.Again > 0 {
			s.row = min(s.row, p.Again-1)
			f.shards[l.Shard] = shardFloor{epoch: l.Epoch, row: s.row}
		}
		low = min(low, s.row)
	}
	r := reading{page: p, generation: f.generation, start: low, known: low, decided: f.decided}
	if now := f.now(); now.Sub(f.swept) >= sweepEvery {
		f.swept = now
		r.start = 0
	}
	return r
}

// end moves the floor after a page. xmin was read before the page's snapshot was taken.
func (f *floor) end(r reading, xmin uint64, rows []outbox.Record, full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off || f.generation != r.generation {
		return
	}
	if f.pending != nil && xmin >= f.pending.xid {
		f.decided, f.pending = *f.pending, nil
	}
	for _, row := range rows {
		if row.Row > r.known {
			break
		}
		f.missed++
	}
	if len(r.page.Topics) > 0 || len(r.page.Keys) > 0 {
		return // the page says nothing about the rows it left out
	}
	to := r.decided.row
	if xmin >= f.decided.xid { // else it was decided by a later page, while this one was under way
		to = f.decided.row
	}
	if full && len(rows) > 0 {
		to = min(to, rows[len(rows)-1].Row)
	}
	for _, l := range r.page.Leases {
		f.shards[l.Shard] = shardFloor{epoch: l.Epoch, row: to}
	}
}

// wanted reports whether a new candidate would be of use, one at a time, and the generation it will be of.
func (f *floor) wanted() (generation int, yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.generation, !f.off && f.pending == nil
}

// propose offers a candidate that was read after wanted. One of an earlier generation may come from before a crash.
func (f *floor) propose(c candidate, generation int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil && f.generation == generation {
		f.pending = &c
	}
}

// FloorMissed counts rows that a sweep found below the floor. It stays 0 unless something writes to the outbox
// table that is not this package.
func (q *Queue) FloorMissed() int64 {
	q.floor.mu.Lock()
	defer q.floor.mu.Unlock()
	return q.floor.missed
}
