package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	rejectCount = `UPDATE outbox SET attempts = attempts + 1, last_error = $2 WHERE id = $1 RETURNING attempts`
	// One statement, so that the letter is in exactly one of the two tables at any time.
	rejectMove = `
WITH gone AS (DELETE FROM outbox WHERE id = $1 RETURNING *),
dead AS (INSERT INTO outbox_dead (id, shard, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts, last_error)
    SELECT id, shard, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts, last_error FROM gone)
INSERT INTO outbox_blocked (topic, key, dead_id) SELECT topic, key, id FROM gone WHERE $2::boolean ON CONFLICT DO NOTHING`

	// maxCause bounds what is kept of a broker's refusal.
	maxCause = 500
)

// Reject implements outbox.Queue.
func (q *Queue) Reject(ctx context.Context, row int64, cause string, limit int, block bool) (gone bool, err error) {
	cause = strings.ToValidUTF8(strings.ReplaceAll(cause[:min(len(cause), maxCause)], "\x00", ""), "")
	err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		var n int
		err := tx.QueryRow(ctx, rejectCount, row, cause).Scan(&n)
		if gone = errors.Is(err, pgx.ErrNoRows); gone {
			return nil
		}
		if err != nil || n < limit {
			return err
		}
		gone = true
		_, err = tx.Exec(ctx, rejectMove, row, block)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reject outbox row: %w", err)
	}
	return gone, nil
}

// Beyond the count the estimate is that of the planner: rows to a page at the last ANALYZE, times pages now.
const stats = `
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT $1) AS counted),
       (SELECT (CASE WHEN relpages > 0 THEN reltuples / relpages ELSE 0 END
                * pg_relation_size(oid) / current_setting('block_size')::int)::bigint
        FROM pg_class WHERE oid = 'outbox'::regclass),
       (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM outbox ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT 1 FROM outbox_dead LIMIT $1) AS dead),
       (SELECT count(*) FROM (SELECT 1 FROM outbox_blocked LIMIT $1) AS blocked)`

// Stats implements outbox.Queue.
func (q *Queue) Stats(ctx context.Context) (outbox.Stats, error) {
	var (
		s        outbox.Stats
		estimate int64
		age      *float64
	)
	err := q.pool.QueryRow(ctx, stats, outbox.PendingExact+1).Scan(&s.Pending, &estimate, &age, &s.Dead, &s.BlockedKeys)
	if err != nil {
		return outbox.Stats{}, fmt.Errorf("read outbox stats: %w", err)
	}
	if s.Pending > outbox.PendingExact {
		s.Pending = max(s.Pending, estimate)
	}
	if age != nil {
		s.OldestAge = max(0, time.Duration(*age*float64(time.Second)))
	}
	return s, nil
}

const (
	listPending = `
SELECT id, shard, topic, key, event_id, type, payload, headers, traceparent, created_at, attempts, last_error, false, NULL::timestamptz
FROM outbox ORDER BY id LIMIT $1`
	listDead = `
SELECT id, shard, d.topic, d.key, event_id, type, payload, headers, traceparent, created_at, attempts, last_error,
       EXISTS (SELECT 1 FROM outbox_blocked AS b WHERE b.dead_id = d.id), dead_at
FROM outbox_dead AS d ORDER BY id LIMIT $1`
)

// List implements outbox.Admin.
func (q *Queue) List(ctx context.Context, dead bool, limit int) ([]outbox.Letter, error) {
	list := listPending
	if dead {
		list = listDead
	}
	// Rows has the query's error, and CollectRows returns it.
	rows, _ := q.pool.Query(ctx, list, limit)
	letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (outbox.Letter, error) {
		var l outbox.Letter
		var deadAt *time.Time
		err := row.Scan(append(recordDest(&l.Record), &l.LastError, &l.Blocks, &deadAt)...)
		if deadAt != nil {
			l.DeadAt = *deadAt
		}
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("list outbox: %w", err)
	}
	return letters, nil
}

const (
	forget = `DELETE FROM outbox_dead WHERE id = $1 RETURNING shard`
	// The letter gets its old id back, which is smaller than those of its successors.
	requeue = `
INSERT INTO outbox (id, shard, topic, key, event_id, type, payload, headers, traceparent, created_at) OVERRIDING SYSTEM VALUE
SELECT id, shard, topic, key, event_id, type, payload, headers, traceparent, created_at FROM outbox_dead WHERE id = $1`
	unblock = `DELETE FROM outbox_blocked WHERE dead_id = $1`
	// Whoever relays the shard begins again at its first row.
	nextEpoch = `UPDATE outbox_lease SET epoch = epoch + 1 WHERE shard = ANY ($1)`
)

// Requeue implements outbox.Admin.
func (q *Queue) Requeue(ctx context.Context, rows ...int64) error {
	return q.letters(ctx, "requeue", rows, true)
}

// Skip implements outbox.Admin.
func (q *Queue) Skip(ctx context.Context, rows ...int64) error {
	return q.letters(ctx, "skip", rows, false)
}

// letters takes dead letters away, and back into the queue if they are to be sent again. Relays that renew their leases
// meanwhile may be in its way, so it begins again after a deadlock.
func (q *Queue) letters(ctx context.Context, what string, rows []int64, again bool) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
			shards := make([]int16, len(rows))
			for i, row := range rows {
				var err error
				if shards[i], err = takeLetter(ctx, tx, row, again); err != nil {
					return fmt.Errorf("row %d: %w", row, err)
				}
			}
			if _, err := tx.Exec(ctx, nextEpoch, shards); err != nil {
				return err
			}
			return q.wake.tellLeases(ctx, tx)
		})
		switch {
		case err == nil:
			q.committed()
			return nil
		case attempt == attempts || !retryable(err):
			return fmt.Errorf("%s dead letters: %w", what, err)
		}
	}
}

func takeLetter(ctx context.Context, tx pgx.Tx, row int64, again bool) (shard int16, err error) {
	if again {
		if _, err := tx.Exec(ctx, requeue, row); err != nil {
			return 0, err
		}
	}
	err = tx.QueryRow(ctx, forget, row).Scan(&shard)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, outbox.ErrNoLetter
	}
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, unblock, row)
	return shard, err
}
