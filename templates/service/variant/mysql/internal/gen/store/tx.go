package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	// attempts bounds how often a function runs when the server keeps rolling it back for others.
	attempts = 5
	// backoff is the longest wait before the first repetition; it doubles with each.
	backoff = 10 * time.Millisecond
)

// errOwned is returned by Commit and Rollback: the transaction ends with the function it was given to.
var errOwned = errors.New("the transaction is committed or rolled back by InTx: return nil or an error")

// Tx is the transaction of one InTx call. It is *sql.Tx with two differences: Commit and Rollback belong to
// InTx, and Emit adds events. It must not be used after the function returned.
type Tx struct {
	*sql.Tx
	ctx   context.Context
	msgs  []outbox.Message
	ended bool
}

// Emit adds an event to the transaction: it is published if, and only if, the transaction commits. Events of
// one topic and key are published in commit order, provided that every transaction that emits for the key holds
// a lock that the others need (an UPDATE or SELECT FOR UPDATE of the row the key names will do). The row is
// written just before the commit, so queries of this transaction do not see it. A message above the limits of
// package outbox is refused here.
func (tx *Tx) Emit(m outbox.Message) error {
	if tx.ended {
		return fmt.Errorf("emit %s: %w", m.Type, sql.ErrTxDone)
	}
	m, err := outbox.Prepare(tx.ctx, m)
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	tx.msgs = append(tx.msgs, m)
	return nil
}

// Commit is refused; return nil from the function instead.
func (tx *Tx) Commit() error { return errOwned }

// Rollback is refused; return an error from the function instead.
func (tx *Tx) Rollback() error { return errOwned }

// InTx runs fn in a transaction and commits it when fn returns nil. When fn returns an error or panics, nothing
// it wrote or emitted remains, and InTx returns that error or panics on.
//
// The transaction begins with fn's first statement, which may be SET TRANSACTION ISOLATION LEVEL. fn may run several
// times, each with a new Tx, when the server answers with a deadlock: it should have no
// effect but through tx. A statement that changes the schema commits what was before it, as always in MySQL, and
// one that names autocommit is refused.
//
// ErrCommitUnknown means that the commit may or may not have happened.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	wait := backoff
	for attempt := 1; ; attempt++ {
		err := db.once(ctx, fn)
		if err == nil || attempt == attempts || !retryable(err) {
			return err
		}
		timer := time.NewTimer(rand.N(wait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		wait *= 2
	}
}

func (db *DB) once(ctx context.Context, fn func(context.Context, *Tx) error) error {
	begun, conn, err := db.begin(ctx)
	if err != nil {
		return err
	}
	// After a commit this gives the connection back; the only errors are about one that is lost anyway.
	defer func() { _ = conn.Close() }()
	tx := &Tx{Tx: begun, ctx: ctx}
	done := false
	defer func() {
		tx.ended = true
		if !done { // an error, a panic or runtime.Goexit
			_ = begun.Rollback() // a connection that cannot say ROLLBACK is closed, which rolls back as well
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx.ended = true
	// A commit given up half way would have an unknown outcome, so the caller's ctx no longer counts; the
	// driver's timeouts do.
	if err := flush(context.WithoutCancel(ctx), conn, begun, tx.msgs); err != nil {
		return err
	}
	done = true
	if err := begun.Commit(); err != nil {
		return commitError(err)
	}
	if len(tx.msgs) > 0 {
		db.Committed()
	}
	return nil
}

// begin takes a connection, waiting no longer than the caller or the configuration allows, and begins. It does
// so again when the connection turns out to have died while it was idle.
func (db *DB) begin(ctx context.Context) (*sql.Tx, *sql.Conn, error) {
	wait, cancel := ctx, func() {}
	if db.acquire > 0 {
		wait, cancel = context.WithTimeout(ctx, db.acquire)
	}
	defer cancel()
	for attempt := 1; ; attempt++ {
		if db.closed.Load() {
			return nil, nil, ErrClosed
		}
		conn, err := db.own.Conn(wait)
		if err == nil {
			var tx *sql.Tx
			// Not the caller's ctx: database/sql would roll back behind the function's back when it ends.
			if tx, err = conn.BeginTx(context.WithoutCancel(ctx), nil); err == nil {
				return tx, conn, nil
			}
			_ = conn.Close() // it has just failed
		}
		switch {
		case errors.Is(err, driver.ErrBadConn) && attempt < attempts:
		case ctx.Err() == nil && wait.Err() != nil:
			return nil, nil, fmt.Errorf("begin transaction: %w within %s: %w", errBusy, db.acquire, err)
		default:
			return nil, nil, fmt.Errorf("begin transaction: %w", err)
		}
	}
}

// Enqueue adds events to a transaction the caller began and will commit, on this database. Call it last: the
// order of events within a key is the order of these calls, which is the order of commits only when the locks
// are held by then. Call Committed after the commit.
func (db *DB) Enqueue(ctx context.Context, tx *sql.Tx, msgs ...outbox.Message) error {
	prepared := make([]outbox.Message, 0, len(msgs))
	for _, m := range msgs {
		m, err := outbox.Prepare(ctx, m)
		if err != nil {
			return fmt.Errorf("enqueue: %w", err)
		}
		prepared = append(prepared, m)
	}
	return insert(ctx, tx, prepared)
}
