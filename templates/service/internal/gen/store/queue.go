package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Queue is the outbox table of one database, as the relay and the operator's commands see it. Its writes share
// commits with the service's own transactions.
type Queue struct{ db *DB }

// Queue returns the outbox of db.
func (db *DB) Queue() *Queue { return &Queue{db: db} }

var (
	_ outbox.Queue = (*Queue)(nil)
	_ outbox.Admin = (*Queue)(nil)
)

// Lease grants the one shard at once: a SQLite file belongs to one machine, usually to one process. Where two
// processes share it both relay, and consumers see duplicates, in order. The alternative, a lease in the table,
// would make every restart after a crash wait for the old lease to run out.
func (q *Queue) Lease(_ context.Context, _ string, ttl time.Duration) ([]outbox.Lease, error) {
	return []outbox.Lease{{Shard: 0, Epoch: 1, Until: time.Now().Add(ttl)}}, nil
}

// Release implements outbox.Queue; there is nothing to give up.
func (q *Queue) Release(context.Context, string, []outbox.Lease) error { return nil }

// The lists are passed as JSON arrays: one statement text whatever their length. The conditions stand in the order
// of what they cost, since a busy relay's page begins with the rows it holds.
const fetch = `
SELECT id, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts FROM outbox AS o
WHERE id NOT IN (SELECT value FROM json_each(?1))
  AND NOT EXISTS (SELECT 1 FROM outbox_blocked AS b WHERE b.topic = o.topic AND b.key = o.key)
  AND (?2 = '[]' OR topic NOT IN (SELECT value FROM json_each(?2)))
  AND (?3 = '[]' OR NOT EXISTS (SELECT 1 FROM json_each(?3) AS k
       WHERE k.value ->> 0 = o.topic AND k.value ->> 1 = o.key))
ORDER BY id LIMIT ?4`

// Fetch implements outbox.Queue.
func (q *Queue) Fetch(ctx context.Context, p outbox.Page) ([]outbox.Record, error) {
	if len(p.Leases) == 0 || p.Limit <= 0 {
		return nil, nil
	}
	keys := make([][2]string, 0, len(p.Keys))
	for _, k := range p.Keys {
		keys = append(keys, [2]string{k.Topic, k.Key})
	}
	held, err := jsonArray(p.Held)
	if err != nil {
		return nil, err
	}
	topics, err := jsonArray(p.Topics)
	if err != nil {
		return nil, err
	}
	gated, err := jsonArray(keys)
	if err != nil {
		return nil, err
	}
	rows, err := q.db.read.QueryContext(ctx, fetch, held, topics, gated, p.Limit)
	if err != nil {
		return nil, fmt.Errorf("fetch outbox rows: %w", err)
	}
	out := make([]outbox.Record, 0, min(p.Limit, 1024))
	size := 0
	for rows.Next() && (p.Bytes <= 0 || size < p.Bytes) {
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
	return out, nil
}

// scan reads the columns of fetch, and further ones into more.
func scan(rows *sql.Rows, r *outbox.Record, more ...any) error {
	var (
		id                   []byte
		headers, traceparent sql.NullString
		created              int64
	)
	dest := append([]any{&r.Row, &r.Topic, &r.Key, &id, &r.Type, &r.Payload, &headers, &traceparent, &created, &r.Attempts}, more...)
	if err := rows.Scan(dest...); err != nil {
		return fmt.Errorf("read outbox row: %w", err)
	}
	var err error
	if r.ID, err = uuid.FromBytes(id); err != nil {
		return fmt.Errorf("read outbox row %d: event id: %w", r.Row, err)
	}
	if headers.Valid {
		if err := json.Unmarshal([]byte(headers.String), &r.Headers); err != nil {
			return fmt.Errorf("read outbox row %d: headers: %w", r.Row, err)
		}
	}
	r.Traceparent = traceparent.String
	r.CreatedAt = time.UnixMilli(created)
	return nil
}

// Delete implements outbox.Queue.
func (q *Queue) Delete(ctx context.Context, rows []int64) error {
	if len(rows) == 0 {
		return nil
	}
	ids, err := jsonArray(rows)
	if err != nil {
		return err
	}
	return q.write(ctx, "delete outbox rows", func(ctx context.Context, tx *Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", ids)
		return err
	})
}

const (
	rejectCount = `UPDATE outbox SET attempts = attempts + 1, last_error = ?2 WHERE id = ?1 RETURNING attempts`
	rejectBlock = `INSERT INTO outbox_blocked (topic, key, dead_id) SELECT topic, key, id FROM outbox WHERE id = ? ON CONFLICT DO NOTHING`
	rejectMove  = `INSERT INTO outbox_dead (id, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts, last_error)
SELECT id, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts, last_error FROM outbox WHERE id = ?`
	deleteRow = `DELETE FROM outbox WHERE id = ?`
)

// maxCause bounds what is kept of a broker's refusal.
const maxCause = 500

// Reject implements outbox.Queue.
func (q *Queue) Reject(ctx context.Context, row int64, cause string, limit int, block bool) (gone bool, err error) {
	if len(cause) > maxCause {
		cause = cause[:maxCause]
	}
	err = q.write(ctx, "reject outbox row", func(ctx context.Context, tx *Tx) error {
		gone = false
		var attempts int
		err := tx.QueryRowContext(ctx, rejectCount, row, cause).Scan(&attempts)
		if errors.Is(err, sql.ErrNoRows) {
			gone = true
			return nil
		}
		if err != nil || attempts < limit {
			return err
		}
		gone = true
		steps := []string{rejectMove, deleteRow}
		if block {
			steps = []string{rejectBlock, rejectMove, deleteRow}
		}
		return each(ctx, tx, row, steps)
	})
	return gone && err == nil, err
}

// each runs statements that take the row's id.
func each(ctx context.Context, tx *Tx, row int64, statements []string) error {
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s, row); err != nil {
			return err
		}
	}
	return nil
}

// Counting stops at the limit; beyond it the span of ids is the estimate.
const stats = `
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?1)),
       (SELECT coalesce(max(id) - min(id) + 1, 0) FROM outbox),
       (SELECT max(0, CAST(unixepoch('subsec') * 1000 AS INTEGER) - created_at) FROM outbox ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT 1 FROM outbox_dead LIMIT ?1)),
       (SELECT count(*) FROM (SELECT 1 FROM outbox_blocked LIMIT ?1))`

// Stats implements outbox.Queue.
func (q *Queue) Stats(ctx context.Context) (outbox.Stats, error) {
	var (
		s    outbox.Stats
		span int64
		age  sql.NullInt64
	)
	err := q.db.read.QueryRowContext(ctx, stats, outbox.PendingExact+1).
		Scan(&s.Pending, &span, &age, &s.Dead, &s.BlockedKeys)
	if err != nil {
		return outbox.Stats{}, fmt.Errorf("read outbox stats: %w", err)
	}
	if s.Pending > outbox.PendingExact {
		s.Pending = span
	}
	s.OldestAge = time.Duration(age.Int64) * time.Millisecond
	return s, nil
}

func (q *Queue) write(ctx context.Context, what string, fn func(context.Context, *Tx) error) error {
	if err := q.db.InTx(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func jsonArray[T any](list []T) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(list)
	if err != nil {
		return "", fmt.Errorf("encode list: %w", err)
	}
	return string(b), nil
}
