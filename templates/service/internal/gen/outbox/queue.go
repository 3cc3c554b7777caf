package outbox

import (
	"context"
	"time"
)

// Publisher is the relay's view of a broker.
type Publisher interface {
	// Publish hands m to the broker. It may block while the broker's send window is full, and returns without
	// waiting for the answer. ctx bounds that wait only: cancelling it does not recall a message that was handed
	// over. m stays as it is until done is called. done is called exactly once, from any goroutine (Publish
	// itself included), also after Close or a cancelled ctx, and never blocks: nil when the broker has durably
	// accepted m, a *Rejection when it refused m itself, any other error when the outcome is unknown or the
	// broker is out of reach.
	Publish(ctx context.Context, m *Message, done func(error))

	// Pipelines reports whether several messages of one key may be in flight at once with their order kept:
	// true when a failed message also fails all later ones of its key, those included that were handed over
	// before the relay could see the failure. Where it is false the relay keeps at most one message of a key
	// in flight. A broker that is not sure says false.
	Pipelines() bool
}

// Queue is the outbox table as one relay sees it. Times and ids come from the database. Its methods are called
// concurrently.
type Queue interface {
	// Lease renews what relay owner holds, takes or gives up shards until every live relay holds a fair share,
	// and returns what owner now holds. A lease is trusted until Until on this process's monotonic clock.
	Lease(ctx context.Context, owner string, ttl time.Duration) ([]Lease, error)
	// Release gives up shards, so that another relay can take them at once.
	Release(ctx context.Context, owner string, leases []Lease) error
	// Fetch returns the oldest pending rows that p asks for, in Row order.
	Fetch(ctx context.Context, p Page) ([]Record, error)
	// Delete removes published rows. A row already gone is no error.
	Delete(ctx context.Context, rows []int64) error
	// Reject counts a refused attempt of row. At the limit-th it moves the row to the dead letters, and blocks its
	// key when block is set. It reports whether the row has left the queue, by this call or before it.
	Reject(ctx context.Context, row int64, cause string, limit int, block bool) (gone bool, err error)
	// Stats reads the state of the whole outbox, for metrics and /statusz.
	Stats(ctx context.Context) (Stats, error)
}

// Page says which rows a relay wants next: the oldest ones of the leased shards, without blocked keys and
// without those it leaves out. A lease that is no longer Owner's yields no rows.
//
// A row that was returned once and is now neither in Held nor deleted nor rejected has been forgotten by the
// relay and must be returned again; Again is the oldest such row. So a Queue may remember how far it has read, and
// read on from there. A page with Topics or Keys set says nothing about the rows it skips, and must not move that mark.
type Page struct {
	Owner  string
	Leases []Lease
	Held   []int64  // rows the relay has in memory already
	Again  int64    // the oldest row that was forgotten since the last page; 0 when none was
	Topics []string // destinations that are down
	Keys   []Key    // keys that must wait
	Limit  int      // rows
	Bytes  int      // payload bytes after which the page may end early; always at least one row
}

// Key is the unit of order.
type Key struct{ Topic, Key string }

// Lease is the right to publish one shard.
type Lease struct {
	Shard int16
	Epoch int64     // grows when the shard changes hands or a dead letter is requeued
	Until time.Time // monotonic, with a safety margin already taken off
}

// Stats is the state of the outbox as seen by the database.
type Stats struct {
	Pending     int64         // rows waiting; an estimate above PendingExact
	OldestAge   time.Duration // age of the oldest pending row
	Dead        int64         // no more than one above PendingExact
	BlockedKeys int64         // no more than one above PendingExact
}

// PendingExact is up to where Stats are counted: every relay reads them every few seconds, and none must walk over a
// large table for it.
const PendingExact = 10_000

// Admin is what the operator's commands (outbox ls, requeue, skip) need of the table.
type Admin interface {
	// List returns up to limit rows in publishing order, pending or dead.
	List(ctx context.Context, dead bool, limit int) ([]Letter, error)
	// Requeue puts dead letters back in front of their successors and unblocks their keys: all of them, or none
	// and ErrNoLetter when one is no dead letter.
	Requeue(ctx context.Context, rows ...int64) error
	// Skip drops dead letters for good and unblocks their keys: all of them, or none and ErrNoLetter when one is no
	// dead letter.
	Skip(ctx context.Context, rows ...int64) error
}

// Letter is one row as an operator sees it.
type Letter struct {
	Record
	LastError string
	Blocks    bool      // the key waits for this letter
	DeadAt    time.Time // zero while pending
}
