package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	listPending = `
SELECT id, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts, coalesce(last_error, ''), 0, 0
FROM outbox ORDER BY id LIMIT ?`
	listDead = `
SELECT id, d.topic, d.key, event_id, type, payload, headers, traceparent, created_at, attempts, coalesce(last_error, ''),
       b.dead_id IS NOT NULL, dead_at
FROM outbox_dead AS d LEFT JOIN outbox_blocked AS b ON b.dead_id = d.id ORDER BY id LIMIT ?`
)

// List implements outbox.Admin.
func (q *Queue) List(ctx context.Context, dead bool, limit int) ([]outbox.Letter, error) {
	list := listPending
	if dead {
		list = listDead
	}
	rows, err := q.db.read.QueryContext(ctx, list, limit)
	if err != nil {
		return nil, fmt.Errorf("list outbox: %w", err)
	}
	var out []outbox.Letter
	for rows.Next() {
		var l outbox.Letter
		var deadAt int64
		if err := scan(rows, &l.Record, &l.LastError, &l.Blocks, &deadAt); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if dead {
			l.DeadAt = time.UnixMilli(deadAt)
		}
		out = append(out, l)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("list outbox: %w", err)
	}
	return out, nil
}

const (
	// The letter gets its old id back, which is smaller than those of its successors.
	requeue = `INSERT INTO outbox (id, topic, key, event_id, type, payload, headers, traceparent, created_at)
SELECT id, topic, key, event_id, type, payload, headers, traceparent, created_at FROM outbox_dead WHERE id = ?`
	forget  = `DELETE FROM outbox_dead WHERE id = ?`
	unblock = `DELETE FROM outbox_blocked WHERE dead_id = ?`
)

// Requeue implements outbox.Admin.
func (q *Queue) Requeue(ctx context.Context, rows ...int64) error {
	err := q.letters(ctx, "requeue dead letters", rows, requeue, forget, unblock)
	if err == nil {
		q.db.committed() // a relay in this process need not wait for its poll
	}
	return err
}

// Skip implements outbox.Admin.
func (q *Queue) Skip(ctx context.Context, rows ...int64) error {
	err := q.letters(ctx, "skip dead letters", rows, forget, unblock)
	if err == nil {
		q.db.committed()
	}
	return err
}

func (q *Queue) letters(ctx context.Context, what string, rows []int64, statements ...string) error {
	return q.write(ctx, what, func(ctx context.Context, tx *Tx) error {
		for _, row := range rows {
			var one int
			err := tx.QueryRowContext(ctx, "SELECT 1 FROM outbox_dead WHERE id = ?", row).Scan(&one)
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("row %d: %w", row, outbox.ErrNoLetter)
			}
			if err != nil {
				return err
			}
			if err := each(ctx, tx, row, statements); err != nil {
				return err
			}
		}
		return nil
	})
}
