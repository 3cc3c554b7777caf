package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// lazyTx is a transaction whose BEGIN travels with its first statement, and whose outbox rows travel with its
// COMMIT; statements that were queued travel with either. With the pipelining of pgx each of them saves a round
// trip. It implements pgx.Tx.
type lazyTx struct {
	ctx    context.Context // of InTx, for the one method without a ctx of its own
	conn   *pgx.Conn
	tx     pgx.Tx      // nil until begun
	queued []statement // wait for company
	lost   error       // of a statement that was queued: fn may not have looked at it
}

// statement is one whose result nobody reads.
type statement struct {
	sql  string
	args []any
}

func (t *lazyTx) queue(sql string, args []any) { t.queued = append(t.queued, statement{sql, args}) }

// lonely reports whether nothing waits to travel with the next statement.
func (t *lazyTx) lonely() bool { return t.tx != nil && len(t.queued) == 0 }

// load starts a batch with what waits: BEGIN, unless that has happened, and the queued statements.
func (t *lazyTx) load() *pgx.Batch {
	b := &pgx.Batch{}
	if t.tx == nil {
		b.BeginTx(pgx.TxOptions{})
	}
	for _, s := range t.queued {
		b.Queue(s.sql, s.args...)
	}
	t.queued = nil
	return b
}

// send sends a batch that load started, and reads the results of its first n statements.
func (t *lazyTx) send(ctx context.Context, b *pgx.Batch, n int) (pgx.BatchResults, error) {
	res := t.conn.SendBatch(ctx, b)
	if t.tx == nil {
		t.tx = res.Tx()
	}
	for range n {
		if _, err := res.Exec(); err != nil {
			t.lost = err
			return res, err
		}
	}
	return res, nil
}

// begin is for the rare operations that cannot share a batch with what waits.
func (t *lazyTx) begin(ctx context.Context) error {
	if t.lonely() {
		return nil
	}
	b := t.load()
	res, err := t.send(ctx, b, b.Len())
	if cerr := res.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	return nil
}

// first sends what waits together with a statement and returns the batch with only that one's result left to read.
func (t *lazyTx) first(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	b := t.load()
	waited := b.Len()
	b.Queue(sql, args...)
	return t.send(ctx, b, waited)
}

// plain reports whether a statement can be queued in a batch: options other than a rewriter cannot.
func plain(args []any) bool {
	if len(args) == 0 {
		return true
	}
	switch args[0].(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return false
	}
	return true
}

// Exec implements pgx.Tx.
func (t *lazyTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if !t.lonely() && plain(args) {
		res, err := t.first(ctx, sql, args)
		var tag pgconn.CommandTag
		if err == nil {
			tag, err = res.Exec()
		}
		if cerr := res.Close(); err == nil {
			err = cerr
		}
		return tag, err
	}
	if err := t.begin(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.tx.Exec(ctx, sql, args...)
}

// Query implements pgx.Tx.
func (t *lazyTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if !t.lonely() && plain(args) {
		res, err := t.first(ctx, sql, args)
		rows, qerr := res.Query()
		if err == nil {
			err = qerr
		}
		first := &firstRows{Rows: rows, batch: res}
		if err != nil {
			first.Close()
			return first, err
		}
		return first, nil
	}
	if err := t.begin(ctx); err != nil {
		return pgx.FailedBatchResults(&pgx.Batch{}, err).Query()
	}
	return t.tx.Query(ctx, sql, args...)
}

// QueryRow implements pgx.Tx.
func (t *lazyTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.lonely() {
		return t.tx.QueryRow(ctx, sql, args...)
	}
	rows, _ := t.Query(ctx, sql, args...) // the error is in the rows as well, and Scan returns it
	return oneRow{rows}
}

// SendBatch implements pgx.Tx. The caller's batch is sent as it is: BEGIN cannot be put in front of it without
// shifting the results the caller will read.
func (t *lazyTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.begin(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return t.tx.SendBatch(ctx, b)
}

// CopyFrom implements pgx.Tx.
func (t *lazyTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := t.begin(ctx); err != nil {
		return 0, err
	}
	return t.tx.CopyFrom(ctx, table, columns, src)
}

// Prepare implements pgx.Tx.
func (t *lazyTx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	return t.tx.Prepare(ctx, name, sql)
}

// Begin implements pgx.Tx: a savepoint.
func (t *lazyTx) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.begin(ctx); err != nil {
		return nil, err
	}
	return t.tx.Begin(ctx)
}

// LargeObjects implements pgx.Tx.
func (t *lazyTx) LargeObjects() pgx.LargeObjects {
	t.eager()
	return t.tx.LargeObjects()
}

// Conn implements pgx.Tx. What runs on the connection is inside the transaction.
func (t *lazyTx) Conn() *pgx.Conn {
	t.eager()
	return t.conn
}

// eager begins where no error can be returned: a failure closes the connection, so that nothing can run on it
// outside a transaction.
func (t *lazyTx) eager() {
	if err := t.begin(t.ctx); err != nil {
		_ = t.conn.Close(t.ctx) // the statement to come reports that it is closed
		b := &pgx.Batch{}
		b.BeginTx(pgx.TxOptions{})
		t.tx = pgx.FailedBatchResults(b, err).Tx() // closed
	}
}

// Commit implements pgx.Tx; Tx shadows it.
func (t *lazyTx) Commit(context.Context) error { return errOwned }

// Rollback implements pgx.Tx; Tx shadows it.
func (t *lazyTx) Rollback(context.Context) error { return errOwned }

// finish commits, with msgs as outbox rows, in one round trip.
func (t *lazyTx) finish(ctx context.Context, msgs []outbox.Message) error {
	if t.tx == nil && len(msgs) == 0 && len(t.queued) == 0 {
		return nil // nothing was asked of the database
	}
	if t.lost != nil {
		return fmt.Errorf("commit: %w", t.lost)
	}
	if t.tx != nil && t.conn.PgConn().TxStatus() == 'I' {
		// The first statement could not be prepared, so BEGIN was not sent, and fn overlooked it; or fn sent
		// COMMIT itself. Without a transaction the rows would be committed by themselves.
		return fmt.Errorf("commit: %w", pgx.ErrTxClosed)
	}
	b := t.load()
	yours := b.Len()
	if len(msgs) > 0 {
		if durabilityOff(t.conn) {
			b.Queue(durable)
		}
		if err := queueRows(b, msgs); err != nil {
			return err
		}
	}
	ours := b.Len() - yours
	b.Queue("commit")

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	res, _ := t.send(ctx, b, 0) // reads nothing, so it cannot fail
	tag, err := endOf(res, yours, ours)
	cerr := res.Close()
	if err != nil {
		return err
	}
	if cerr != nil { // after the answer to COMMIT, so that stands; the connection is of no further use
		_ = t.conn.Close(ctx)
	}
	if tag.String() != "COMMIT" {
		return fmt.Errorf("commit: %w", pgx.ErrTxCommitRollback)
	}
	return nil
}

// endOf reads the results of the caller's statements, of those that write the outbox rows, and of the COMMIT after
// them, all of which are under way by now.
func endOf(res pgx.BatchResults, yours, ours int) (pgconn.CommandTag, error) {
	for i := range yours + ours {
		if _, err := res.Exec(); err != nil {
			step := "queued statement"
			if i >= yours {
				step = "write outbox rows"
			}
			return pgconn.CommandTag{}, endError(step, err)
		}
	}
	tag, err := res.Exec()
	if err != nil {
		return tag, endError("commit", err)
	}
	return tag, nil
}

// abandon rolls back what was begun.
func (t *lazyTx) abandon(ctx context.Context) {
	if t.tx == nil || t.conn.IsClosed() || t.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	// When it fails the pool closes the connection, which rolls back as well.
	_, _ = t.conn.Exec(ctx, "rollback")
}
