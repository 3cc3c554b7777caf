package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	letterColumns = "id, shard, topic, `key`, event_id, type, payload, headers, traceparent, created_at"

	rejectLock  = `SELECT attempts + 1 FROM outbox WHERE id = ? FOR UPDATE`
	rejectCount = `UPDATE outbox SET attempts = attempts + 1, last_error = ? WHERE id = ?`
	rejectBlock = "INSERT IGNORE INTO outbox_blocked (topic, `key`, dead_id, since) SELECT topic, `key`, id, UTC_TIMESTAMP(6) FROM outbox WHERE id = ?"
	rejectMove  = "INSERT INTO outbox_dead (" + letterColumns + ", attempts, last_error, dead_at) SELECT " + letterColumns +
		", attempts, last_error, UTC_TIMESTAMP(6) FROM outbox WHERE id = ?"
	deleteRow = `DELETE FROM outbox WHERE id = ?`

	// maxCause bounds what is kept of a broker's refusal.
	maxCause = 500
)

// Reject implements outbox.Queue.
func (q *Queue) Reject(ctx context.Context, row int64, cause string, limit int, block bool) (gone bool, err error) {
	cause = strings.ToValidUTF8(cause[:min(len(cause), maxCause)], "")
	err = q.inTx(ctx, func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, rejectLock, row).Scan(&n)
		if gone = errors.Is(err, sql.ErrNoRows); gone {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, rejectCount, cause, row); err != nil || n < limit {
			return err
		}
		gone = true
		steps := []string{rejectMove, deleteRow}
		if block {
			steps = []string{rejectBlock, rejectMove, deleteRow}
		}
		return each(ctx, tx, row, steps)
	})
	if err != nil {
		return false, fmt.Errorf("reject outbox row: %w", err)
	}
	return gone, nil
}

// each runs statements that take one number.
func each(ctx context.Context, tx *sql.Tx, row int64, statements []string) error {
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s, row); err != nil {
			return err
		}
	}
	return nil
}

const (
	listPending = "SELECT " + columns + ", o.last_error, FALSE, NULL FROM outbox AS o ORDER BY o.id LIMIT ?"
	listDead    = "SELECT " + columns + ", o.last_error, EXISTS (SELECT 1 FROM outbox_blocked AS b WHERE b.dead_id = o.id), o.dead_at" +
		" FROM outbox_dead AS o ORDER BY o.id LIMIT ?"
)

// List implements outbox.Admin.
func (q *Queue) List(ctx context.Context, dead bool, limit int) ([]outbox.Letter, error) {
	which := listPending
	if dead {
		which = listDead
	}
	rows, err := q.pool.QueryContext(ctx, which, limit)
	if err != nil {
		return nil, fmt.Errorf("list outbox: %w", err)
	}
	var out []outbox.Letter
	for rows.Next() {
		var l outbox.Letter
		var deadAt sql.Null[time.Time]
		if err := scan(rows, &l.Record, &l.LastError, &l.Blocks, &deadAt); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		l.DeadAt = deadAt.V
		out = append(out, l)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("list outbox: %w", err)
	}
	return out, nil
}

const (
	letterShard = `SELECT shard FROM outbox_dead WHERE id = ? FOR UPDATE`
	// The letter gets its old id back, which is smaller than those of its successors.
	requeue = "INSERT INTO outbox (" + letterColumns + ") SELECT " + letterColumns + " FROM outbox_dead WHERE id = ?"
	forget  = `DELETE FROM outbox_dead WHERE id = ?`
	unblock = `DELETE FROM outbox_blocked WHERE dead_id = ?`
	// Whoever relays the shard looks at it afresh.
	nextEpoch = `UPDATE outbox_lease SET epoch = epoch + 1 WHERE shard = ?`
)

// Requeue implements outbox.Admin.
func (q *Queue) Requeue(ctx context.Context, rows ...int64) error {
	return q.letters(ctx, "requeue", rows, requeue, forget, unblock)
}

// Skip implements outbox.Admin.
func (q *Queue) Skip(ctx context.Context, rows ...int64) error {
	return q.letters(ctx, "skip", rows, forget, unblock)
}

func (q *Queue) letters(ctx context.Context, what string, rows []int64, statements ...string) error {
	err := q.inTx(ctx, func(tx *sql.Tx) error {
		shards := make(map[int64]bool)
		for _, row := range rows {
			var shard int64
			err := tx.QueryRowContext(ctx, letterShard, row).Scan(&shard)
			if errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("row %d: %w", row, outbox.ErrNoLetter)
			}
			if err != nil {
				return err
			}
			if err := each(ctx, tx, row, statements); err != nil {
				return err
			}
			shards[shard] = true
		}
		for _, shard := range slices.Sorted(maps.Keys(shards)) {
			if err := each(ctx, tx, shard, []string{nextEpoch}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s dead letters: %w", what, err)
	}
	q.committed()
	return nil
}
