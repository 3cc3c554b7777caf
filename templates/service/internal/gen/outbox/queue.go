package outbox

import (
	"context"
	"time"
)

// Publisher is the relay's view of a broker.
type Publisher interface {
	// Publish hands m to the broker. It may block while the broker's send window is full, and returns without
	// waiting for the answer. done is called exactly once, from any goroutine, also after Close or a cancelled
	// ctx: nil when the broker has durably accepted m, a *Rejection when it refused m itself, any other error
	// when the outcome is unknown or the broker is out of reach.
	Publish(ctx context.Context, m *Message, done func(error))

	// Pipelines reports whether several messages of one key may be in flight at once with their order kept:
	// true when a failed message also fails all later ones of its key that are in flight. Where it is false
	// the relay keeps at most one message of a key in flight.
	Pipelines() bool
}

// Queue is the outbox table as one relay sees it. Times and ids come from the database.
type Queue interface {
	// Lease renews what relay owner holds, takes or gives up shards until every live relay holds a fair share,
	// and returns what owner now holds. A lease is trusted until Until on this process's monotonic clock.
	Lease(ctx context.Context, owner string, ttl time.Duration) ([]Lease, error)
	// Release gives up shards, so that another relay can take them at once.
	Release(ctx context.Context, owner string, leases []Lease) error
	// Fetch returns the oldest pending rows of the leased shards, in Row order, without the rows in held and
	// without rows of blocked keys. A lease that is no longer owner's yields no rows.
	Fetch(ctx context.Context, owner string, leases []Lease, held []int64, limit int) ([]Record, error)
	// Delete removes published rows. A row already gone is no error.
	Delete(ctx context.Context, rows []int64) error
	// Reject counts a refused attempt of row. At the max-th it moves the row to the dead letters, and blocks its
	// key when block is set. It reports whether the row has left the queue, by this call or before it.
	Reject(ctx context.Context, row int64, cause string, max int, block bool) (gone bool, err error)
	// Stats reads the state of the whole outbox, for metrics and /statusz.
	Stats(ctx context.Context) (Stats, error)
}

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
	Dead        int64
	BlockedKeys int64
}

// PendingExact is up to where Stats.Pending is counted, not estimated.
const PendingExact = 10_000

// Admin is what the operator's commands (outbox ls, requeue, skip) need of the table.
type Admin interface {
	// List returns up to limit rows in publishing order, pending or dead.
	List(ctx context.Context, dead bool, limit int) ([]Letter, error)
	// Requeue puts a dead letter back in front of its successors and unblocks its key.
	Requeue(ctx context.Context, row int64) error
	// Skip drops a dead letter for good and unblocks its key.
	Skip(ctx context.Context, row int64) error
}

// Letter is one row as an operator sees it.
type Letter struct {
	Record
	LastError string
	Blocks    bool      // the key waits for this letter
	DeadAt    time.Time // zero while pending
}
