// Package storetest is the conformance suite of package store: every database passes it.
//
// In goes a way to make fresh databases, wrapped in the small interfaces below because the transaction types
// differ; out come test failures. What only one database can do is tested beside that database.
package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Store is store.DB as the suite uses it.
type Store interface {
	InTx(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error
	// Own runs fn with a transaction begun by the caller, adds msgs to it by Enqueue, and commits.
	Own(ctx context.Context, msgs ...outbox.Message) error
	Migrate(ctx context.Context) error
	Ping(ctx context.Context) error
	OnCommit(f func())
	Queue() Queue
	Unavailable(err error) bool
	Close() error
}

// Tx is store.Tx as the suite uses it.
type Tx interface {
	Emit(m outbox.Message) error
	Exec(ctx context.Context, query string) error // a statement without parameters
	Int(ctx context.Context, query string) (int64, error)
	Commit() error
	Rollback() error
}

// Queue is store.Queue.
type Queue interface {
	outbox.Queue
	outbox.Admin
}

// Suite says what is tested.
type Suite struct {
	// Fresh makes an empty database that ends with the test, and returns what opens it. Each call of open is
	// another process's view of it, and is not yet migrated. Stores are closed by the test.
	Fresh func(t testing.TB) (open func(t testing.TB) Store)
	// Leased is true where relays share the shards by leases in the database.
	Leased bool
	// Wakes is true where relays tell each other of rows and shards (outbox.Waker).
	Wakes bool
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Run("Tx", s.testTx)
	t.Run("Writers", s.testWriters)
	t.Run("Queue", s.testQueue)
	t.Run("Dead", s.testDead)
	t.Run("Leases", s.testLeases)
	t.Run("Lifecycle", s.testLifecycle)
	t.Run("Order", s.testOrder)
	t.Run("Handover", s.testHandover)
	t.Run("Requeue", s.testRequeue)
}

// one opens a fresh, migrated database with a table called counter.
func (s Suite) one(t testing.TB) Store {
	t.Helper()
	return s.migrated(t, s.Fresh(t))
}

func (s Suite) migrated(t testing.TB, open func(testing.TB) Store) Store {
	t.Helper()
	db := opened(t, open)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	must(t, db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
		return tx.Exec(ctx, "CREATE TABLE counter (name VARCHAR(64) PRIMARY KEY, n BIGINT NOT NULL)")
	}))
	return db
}

// opened opens a store that is closed with the test.
func opened(t testing.TB, open func(testing.TB) Store) Store {
	t.Helper()
	db := open(t)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// limit is how long what must come may take on a loaded machine.
const limit = time.Minute

// eventually tries ok until it holds.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v", limit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func message(key string, n int) outbox.Message {
	return outbox.Message{Topic: "orders", Key: key, Type: "acme.v1.Placed", Payload: fmt.Append(nil, n)}
}

// emit commits msgs in one transaction.
func emit(t testing.TB, db Store, msgs ...outbox.Message) {
	t.Helper()
	must(t, db.InTx(t.Context(), func(_ context.Context, tx Tx) error {
		for _, m := range msgs {
			if err := tx.Emit(m); err != nil {
				return err
			}
		}
		return nil
	}))
}

// reader is a relay that owns every shard.
type reader struct {
	t      testing.TB
	q      Queue
	owner  string
	leases []outbox.Lease
	given  []int64 // rows of the pages so far
}

const ttl = 5 * time.Minute // longer than a test takes on a loaded machine

func lease(t testing.TB, q Queue, owner string) *reader {
	t.Helper()
	r := &reader{t: t, q: q, owner: owner}
	r.renew()
	if len(r.leases) == 0 {
		t.Fatal("a lone relay was given no shards")
	}
	return r
}

func (r *reader) renew() {
	r.t.Helper()
	leases, err := r.q.Lease(r.t.Context(), r.owner, ttl)
	must(r.t, err)
	r.leases = leases
}

// page returns what p asks for, with sensible defaults. What it is not to hold it has forgotten.
func (r *reader) page(p outbox.Page) []outbox.Record {
	r.t.Helper()
	p.Owner, p.Leases = r.owner, r.leases
	for _, row := range r.given {
		if !slices.Contains(p.Held, row) && (p.Again == 0 || row < p.Again) {
			p.Again = row
		}
	}
	if p.Limit == 0 {
		p.Limit = 10_000
	}
	recs, err := r.q.Fetch(r.t.Context(), p)
	must(r.t, err)
	for i := 1; i < len(recs); i++ {
		if recs[i-1].Row >= recs[i].Row {
			r.t.Fatalf("row %d comes before row %d", recs[i-1].Row, recs[i].Row)
		}
	}
	r.given = append(r.given, rowsOf(recs)...)
	return recs
}

// all returns every pending row that may be published.
func (r *reader) all() []outbox.Record {
	r.t.Helper()
	return r.page(outbox.Page{})
}

// payloads renders the rows' keys and payloads, for comparing.
func payloads(recs []outbox.Record) []string {
	out := make([]string, 0, len(recs))
	for _, r := range recs {
		out = append(out, r.Key+string(r.Payload))
	}
	return out
}

func rowsOf(recs []outbox.Record) []int64 {
	out := make([]int64, 0, len(recs))
	for _, r := range recs {
		out = append(out, r.Row)
	}
	return out
}
