package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	// attempts bounds how often a function runs when the server keeps rolling it back for others.
	attempts = 5
	// backoff is the longest wait before the first repetition; it doubles with each.
	backoff = 10 * time.Millisecond
	// endTimeout bounds COMMIT and ROLLBACK, which go on when the caller's ctx ends: a commit given up half way
	// would have an unknown outcome.
	endTimeout = 10 * time.Second
)

// errOwned is returned by Commit and Rollback: the transaction ends with the function it was given to.
var errOwned = errors.New("the transaction is committed or rolled back by InTx: return nil or an error")

// Tx is the transaction of one InTx call. It is a pgx.Tx with two differences: Commit and Rollback belong to
// InTx, and Emit adds events. It must not be used after the function returned.
type Tx struct {
	pgx.Tx
	lazy  *lazyTx
	ctx   context.Context
	msgs  []outbox.Message
	ended bool
}

// Emit adds an event to the transaction: it is published if, and only if, the transaction commits. Events of
// one topic and key are published in commit order, provided that every transaction that emits for the key holds
// a lock that the others need (an UPDATE or SELECT FOR UPDATE of the row the key names will do). The row is
// written together with the commit, so queries of this transaction do not see it. A message above the limits of
// package outbox is refused here.
func (tx *Tx) Emit(m outbox.Message) error {
	if tx.ended {
		return fmt.Errorf("emit %s: %w", m.Type, pgx.ErrTxClosed)
	}
	m, err := outbox.Prepare(tx.ctx, m)
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	tx.msgs = append(tx.msgs, m)
	return nil
}

// Queue adds a statement whose result is of no interest. It costs no round trip: it travels in front of the next
// statement, or with the commit, in the order of the calls. A transaction that queues all its statements is one
// round trip, events included. If the statement fails, that is the error of the next one, or of InTx.
func (tx *Tx) Queue(sql string, args ...any) { tx.lazy.queue(sql, args) }

// Commit is refused; return nil from the function instead.
func (tx *Tx) Commit(context.Context) error { return errOwned }

// Rollback is refused; return an error from the function instead.
func (tx *Tx) Rollback(context.Context) error { return errOwned }

// InTx runs fn in a transaction and commits it when fn returns nil. When fn returns an error or panics, nothing
// it wrote or emitted remains, and InTx returns that error or panics on.
//
// The isolation level is the database's default; the first statement may be SET TRANSACTION ISOLATION LEVEL. fn
// may run several times, each with a new Tx, when the server answers with a serialization failure or a deadlock:
// it should have no effect but through tx. The transaction begins with fn's first statement.
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
	conn, err := db.conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // a connection that is not back to idle is closed by it

	begun := &lazyTx{ctx: ctx, conn: conn.Conn()}
	tx := &Tx{Tx: begun, lazy: begun, ctx: ctx}
	done := false
	defer func() {
		tx.ended = true
		if !done { // an error, a panic or runtime.Goexit
			begun.abandon(ctx)
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx.ended = true
	if w := (work{begun.queued, tx.msgs}); db.share != nil && begun.tx == nil && w.sharable() {
		conn.Release() // nothing was begun on it
		err = db.share.do(ctx, w)
	} else {
		err = begun.finish(ctx, tx.msgs)
	}
	if err != nil {
		return err
	}
	done = true
	if len(tx.msgs) > 0 {
		db.Committed()
	}
	return nil
}

// conn takes a connection from the pool, waiting no longer than the caller or the configuration allows.
func (db *DB) conn(ctx context.Context) (*pgxpool.Conn, error) {
	wait, cancel := ctx, func() {}
	if db.acquire > 0 {
		wait, cancel = context.WithTimeout(ctx, db.acquire)
	}
	defer cancel()
	conn, err := db.pool.Acquire(wait)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == nil && wait.Err() != nil:
		return nil, fmt.Errorf("begin transaction: %w within %s", errBusy, db.acquire)
	}
	return nil, fmt.Errorf("begin transaction: %w", explain(err))
}

// Enqueue adds events to a transaction the caller began and will commit, on this database. Call it last: the
// order of events within a key is the order of these calls, which is the order of commits only when the locks
// are held by then. Call Committed after the commit.
func (db *DB) Enqueue(ctx context.Context, tx pgx.Tx, msgs ...outbox.Message) error {
	prepared := make([]outbox.Message, 0, len(msgs))
	for _, m := range msgs {
		m, err := outbox.Prepare(ctx, m)
		if err != nil {
			return fmt.Errorf("enqueue: %w", err)
		}
		prepared = append(prepared, m)
	}
	if len(prepared) == 0 {
		return nil
	}
	b := &pgx.Batch{}
	if durabilityOff(tx.Conn()) {
		b.Queue(durable)
	}
	if err := queueRows(b, prepared); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("write outbox rows: %w", err)
	}
	return nil
}
