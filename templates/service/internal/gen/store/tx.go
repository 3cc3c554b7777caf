package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// errOwned is returned by Commit and Rollback: the transaction ends with the function it was given to.
var errOwned = errors.New("the transaction is committed or rolled back by InTx: return nil or an error")

// Tx is the transaction of one InTx call. It is *sql.Tx with two differences: Commit and Rollback belong to
// InTx, and Emit adds events. It must not be used after the function returned.
type Tx struct {
	*sql.Tx
	ctx   context.Context
	msgs  []outbox.Message
	bytes int
	ended bool
}

// Emit adds an event to the transaction: it is published if, and only if, the transaction commits, after the
// events of the same topic and key that were committed before. The row is written together with the commit, so
// queries of this transaction do not see it. A message above the limits of package outbox is refused here.
func (tx *Tx) Emit(m outbox.Message) error {
	if tx.ended {
		return fmt.Errorf("emit %s: %w", m.Type, sql.ErrTxDone)
	}
	m, err := outbox.Prepare(tx.ctx, m)
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	tx.msgs = append(tx.msgs, m)
	tx.bytes += len(m.Payload)
	return nil
}

// Commit is refused; return nil from the function instead.
func (tx *Tx) Commit() error { return errOwned }

// Rollback is refused; return an error from the function instead.
func (tx *Tx) Rollback() error { return errOwned }

// InTx runs fn in a transaction and commits it when fn returns nil. When fn returns an error or panics, nothing
// it wrote or emitted remains, and InTx returns that error or panics on.
//
// Calls that wait for each other share one commit, each inside its own savepoint, so an error of one does not
// touch the others. fn may run a second time, with a new Tx, when the shared transaction was lost through no
// fault of its own: it should have no effect but through tx. It must not call InTx itself (SQLite has one writer,
// so that would wait for ever; it is refused).
//
// A cancelled ctx stops fn's next statement; one that runs is given a moment to end before it is interrupted.
// ErrCommitUnknown means that the commit may or may not have happened.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	return db.commit.do(ctx, fn)
}

// Enqueue adds events to a transaction the caller began and will commit, on this database. The relay finds them
// at its next poll.
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

// insertRows bounds the rows of one INSERT; SQLite takes 32,766 parameters.
const insertRows = 500

const insertColumns = 7

// insert writes msgs as outbox rows, in order, many to a statement.
func insert(ctx context.Context, tx *sql.Tx, msgs []outbox.Message) error {
	for len(msgs) > 0 {
		n := min(len(msgs), insertRows)
		args := make([]any, 0, n*insertColumns)
		for i := range msgs[:n] {
			m := &msgs[i]
			headers, err := encodeHeaders(m.Headers)
			if err != nil {
				return err
			}
			payload := m.Payload
			if payload == nil {
				payload = []byte{} // nil would be NULL
			}
			args = append(args, m.Topic, m.Key, m.ID[:], m.Type, payload, headers, nullable(m.Traceparent))
		}
		q := "INSERT INTO outbox (topic, key, event_id, type, payload, headers, traceparent) VALUES " +
			strings.Repeat("(?,?,?,?,?,?,?),", n-1) + "(?,?,?,?,?,?,?)"
		if _, err := tx.ExecContext(ctx, q, args...); err != nil {
			return fmt.Errorf("write outbox rows: %w", err)
		}
		msgs = msgs[n:]
	}
	return nil
}

func encodeHeaders(h map[string]string) (any, error) {
	if len(h) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode headers: %w", err)
	}
	return string(b), nil
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
