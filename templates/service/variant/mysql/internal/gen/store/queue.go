package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Queue is the outbox table of one database, as the relay and the operator's commands see it. It has its own
// connections, on which a statement sees what is committed and locks only the rows it changes, and none of its
// transactions outlives a call.
//
// A Fetch begins at the first row of the table. Unlike PostgreSQL's xid, nothing MySQL shows to an ordinary
// account proves which ids may still be committed, so there is no id to begin above; under a snapshot held for
// long, a Fetch walks over the rows deleted since, until purge catches up.
type Queue struct {
	pool      *sql.DB
	committed func() // wakes the relay of this process
}

var (
	_ outbox.Queue = (*Queue)(nil)
	_ outbox.Admin = (*Queue)(nil)
)

const columns = "o.id, o.shard, o.topic, o.`key`, o.event_id, o.type, o.payload, o.headers, o.traceparent, o.created_at, o.attempts"

// STRAIGHT_JOIN reads the outbox by its primary key and stops at the limit; the optimizer might begin with the
// small tables and sort the whole outbox.
const fetchRows = "SELECT STRAIGHT_JOIN " + columns + ` FROM outbox AS o FORCE INDEX (PRIMARY)
JOIN outbox_lease AS l ON l.shard = o.shard AND l.owner = ? AND (l.shard, l.epoch) IN (%s)
LEFT JOIN outbox_blocked AS b ON b.topic = o.topic AND b.` + "`key` = o.`key`" + `
WHERE b.dead_id IS NULL%s
ORDER BY o.id LIMIT ?`

// Fetch implements outbox.Queue. It takes no lock.
//
// InnoDB shows a commit before its log is on disk, and forgets one that is not when the server crashes. A row must
// not be published in that moment. So a page with rows is followed by a commit of this relay's own: the log is one
// file, and flushing it to the end of that commit takes with it all that was seen before. An empty page costs one
// round trip, any other two and a flush, which it mostly shares with writers.
func (q *Queue) Fetch(ctx context.Context, p outbox.Page) ([]outbox.Record, error) {
	if len(p.Leases) == 0 || p.Limit <= 0 {
		return nil, nil
	}
	args := []any{p.Owner}
	for _, l := range p.Leases {
		args = append(args, l.Shard, l.Epoch)
	}
	var without strings.Builder
	if len(p.Held) > 0 {
		without.WriteString("\n  AND o.id NOT IN (" + list("?", len(p.Held)) + ")")
		args = appendAll(args, p.Held)
	}
	if len(p.Topics) > 0 {
		without.WriteString("\n  AND o.topic NOT IN (" + list("?", len(p.Topics)) + ")")
		args = appendAll(args, p.Topics)
	}
	if len(p.Keys) > 0 {
		without.WriteString("\n  AND (o.topic, o.`key`) NOT IN (" + list("(?,?)", len(p.Keys)) + ")")
		for _, k := range p.Keys {
			args = append(args, k.Topic, []byte(k.Key))
		}
	}
	rows, err := q.pool.QueryContext(ctx, fmt.Sprintf(fetchRows, list("(?,?)", len(p.Leases)), without.String()), append(args, p.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("fetch outbox rows: %w", err)
	}
	out := make([]outbox.Record, 0, min(p.Limit, 1024))
	size := 0
	for (p.Bytes <= 0 || size < p.Bytes) && rows.Next() {
		var r outbox.Record
		if err := scan(rows, &r); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		size += len(r.Payload)
		out = append(out, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("fetch outbox rows: %w", err)
	}
	if len(out) > 0 {
		if err := q.exec(ctx, heartbeat, p.Owner); err != nil {
			return nil, fmt.Errorf("make outbox rows durable: %w", err)
		}
	}
	return out, nil
}

// list is n times item, with commas between.
func list(item string, n int) string { return strings.Repeat(item+",", n-1) + item }

func appendAll[T any](args []any, values []T) []any {
	for _, v := range values {
		args = append(args, v)
	}
	return args
}

// scan reads columns, and further ones into more.
func scan(rows *sql.Rows, r *outbox.Record, more ...any) error {
	var id, key []byte
	var headers sql.NullString
	dest := append([]any{&r.Row, &r.Shard, &r.Topic, &key, &id, &r.Type, &r.Payload, &headers, &r.Traceparent, &r.CreatedAt, &r.Attempts}, more...)
	if err := rows.Scan(dest...); err != nil {
		return fmt.Errorf("read outbox row: %w", err)
	}
	r.Key = string(key)
	var err error
	if r.ID, err = uuid.FromBytes(id); err != nil {
		return fmt.Errorf("read outbox row %d: event id: %w", r.Row, err)
	}
	if headers.Valid {
		if err := json.Unmarshal([]byte(headers.String), &r.Headers); err != nil {
			return fmt.Errorf("read outbox row %d: headers: %w", r.Row, err)
		}
	}
	return nil
}

// deleteChunk bounds the rows of one DELETE, and so the time its transaction is open.
const deleteChunk = 1000

// Delete implements outbox.Queue.
func (q *Queue) Delete(ctx context.Context, rows []int64) error {
	for len(rows) > 0 {
		n := min(len(rows), deleteChunk)
		err := again(ctx, func() error {
			_, err := q.pool.ExecContext(ctx, "DELETE FROM outbox WHERE id IN ("+list("?", n)+")", appendAll(nil, rows[:n])...)
			return err
		})
		if err != nil {
			return fmt.Errorf("delete outbox rows: %w", err)
		}
		rows = rows[n:]
	}
	return nil
}

const stats = `
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?) AS counted),
       (SELECT coalesce(max(id) - min(id) + 1, 0) FROM outbox),
       (SELECT timestampdiff(MICROSECOND, created_at, UTC_TIMESTAMP(6)) FROM outbox ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT 1 FROM outbox_dead LIMIT ?) AS dead),
       (SELECT count(*) FROM (SELECT 1 FROM outbox_blocked LIMIT ?) AS blocked)`

// Stats implements outbox.Queue. Beyond what is counted, the span of ids is the estimate.
func (q *Queue) Stats(ctx context.Context) (outbox.Stats, error) {
	var (
		s    outbox.Stats
		span int64
		age  sql.NullInt64
	)
	const most = outbox.PendingExact + 1
	err := q.pool.QueryRowContext(ctx, stats, most, most, most).Scan(&s.Pending, &span, &age, &s.Dead, &s.BlockedKeys)
	if err != nil {
		return outbox.Stats{}, fmt.Errorf("read outbox stats: %w", err)
	}
	if s.Pending > outbox.PendingExact {
		s.Pending = max(s.Pending, span)
	}
	s.OldestAge = max(0, time.Duration(age.Int64)*time.Microsecond)
	return s, nil
}

// inTx runs fn in a transaction on the queue's own connections.
func (q *Queue) inTx(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return again(ctx, func() error {
		tx, err := q.pool.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			_ = tx.Rollback() // or the connection is closed, which rolls back as well
			return err
		}
		return tx.Commit()
	})
}

// again repeats f after deadlocks.
func again(ctx context.Context, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if err == nil || attempt == attempts || !retryable(err) || ctx.Err() != nil {
			return err
		}
	}
}
