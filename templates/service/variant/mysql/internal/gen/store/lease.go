package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Intervals are passed in microseconds.
const (
	// It always writes, also twice in a microsecond: Fetch relies on that.
	heartbeat = `
INSERT INTO outbox_relay (id, seen_at) VALUES (?, UTC_TIMESTAMP(6))
ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(6) + INTERVAL (seen_at = UTC_TIMESTAMP(6)) MICROSECOND`
	// A time further ahead than anybody would write is from before the clock was set back, and means nothing.
	forgetOld = `DELETE FROM outbox_relay WHERE abs(timestampdiff(MICROSECOND, seen_at, UTC_TIMESTAMP(6))) > ?`
	countLive = `SELECT count(*) FROM outbox_relay WHERE abs(timestampdiff(MICROSECOND, seen_at, UTC_TIMESTAMP(6))) < ?`
	renew     = `UPDATE outbox_lease SET expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE owner = ? AND expires_at > UTC_TIMESTAMP(6)`
	mine      = `SELECT shard, epoch FROM outbox_lease WHERE owner = ? AND expires_at > UTC_TIMESTAMP(6) ORDER BY shard`
	free      = `
SELECT shard FROM outbox_lease
WHERE expires_at < UTC_TIMESTAMP(6) OR expires_at > UTC_TIMESTAMP(6) + INTERVAL IF(owner IS NULL, 1000000, ?) MICROSECOND
ORDER BY shard LIMIT ? FOR UPDATE SKIP LOCKED`
	take = `UPDATE outbox_lease SET owner = ?, epoch = epoch + 1, expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE shard IN (%s)`
	// A shard given up while its relay goes on is free a moment later, so that what is in flight can be settled
	// and is not published twice.
	giveUp = `
UPDATE outbox_lease SET owner = NULL, expires_at = least(expires_at, UTC_TIMESTAMP(6) + INTERVAL 1 SECOND)
WHERE owner = ? AND shard IN (%s)`
	release = `UPDATE outbox_lease SET owner = NULL, expires_at = '2000-01-01 00:00:00' WHERE owner = ? AND shard IN (%s)`
	leave   = `DELETE FROM outbox_relay WHERE id = ? AND NOT EXISTS (SELECT 1 FROM outbox_lease WHERE owner = ?)`
)

// Lease implements outbox.Queue. All times are the database's; what the caller gets is counted from before the
// request, less a margin.
//
// A lease bounds duplicates; order and safety do not rest on it.
func (q *Queue) Lease(ctx context.Context, owner string, ttl time.Duration) ([]outbox.Lease, error) {
	until := time.Now().Add(ttl - ttl/8)
	var live int
	err := errors.Join(q.exec(ctx, heartbeat, owner), q.exec(ctx, renew, ttl.Microseconds(), owner))
	if err == nil {
		err = q.pool.QueryRowContext(ctx, countLive, ttl.Microseconds()).Scan(&live)
	}
	if err != nil {
		return nil, fmt.Errorf("renew leases: %w", err)
	}
	held, err := q.mine(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("renew leases: %w", err)
	}
	fair := (outbox.Shards + live - 1) / max(live, 1)
	switch {
	case len(held) < fair:
		if err := q.take(ctx, owner, ttl, fair-len(held)); err != nil {
			return nil, fmt.Errorf("take leases: %w", err)
		}
		if held, err = q.mine(ctx, owner); err != nil {
			return nil, fmt.Errorf("take leases: %w", err)
		}
	case len(held) > fair:
		if err := q.exec(ctx, fmt.Sprintf(giveUp, list("?", len(held)-fair)), shardArgs(owner, held[fair:])...); err != nil {
			return nil, fmt.Errorf("give up leases: %w", err)
		}
		held = held[:fair]
	}
	for i := range held {
		held[i].Until = until
	}
	return held, nil
}

// mine reads the leases of owner.
func (q *Queue) mine(ctx context.Context, owner string) (held []outbox.Lease, err error) {
	rows, err := q.pool.QueryContext(ctx, mine, owner)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var l outbox.Lease
		if err := rows.Scan(&l.Shard, &l.Epoch); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		held = append(held, l)
	}
	return held, errors.Join(rows.Err(), rows.Close())
}

// take takes up to n shards that nobody holds.
func (q *Queue) take(ctx context.Context, owner string, ttl time.Duration, n int) error {
	if err := q.exec(ctx, forgetOld, 10*ttl.Microseconds()); err != nil {
		return err
	}
	return q.inTx(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, free, 10*ttl.Microseconds(), n)
		if err != nil {
			return err
		}
		args := []any{owner, ttl.Microseconds()}
		for rows.Next() {
			var shard int16
			if err := rows.Scan(&shard); err != nil {
				return errors.Join(err, rows.Close())
			}
			args = append(args, shard)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(args) == 2 {
			return err
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf(take, list("?", len(args)-2)), args...)
		return err
	})
}

// Release implements outbox.Queue.
func (q *Queue) Release(ctx context.Context, owner string, leases []outbox.Lease) error {
	if len(leases) > 0 {
		if err := q.exec(ctx, fmt.Sprintf(release, list("?", len(leases))), shardArgs(owner, leases)...); err != nil {
			return fmt.Errorf("release leases: %w", err)
		}
	}
	if err := q.exec(ctx, leave, owner, owner); err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	return nil
}

func shardArgs(owner string, leases []outbox.Lease) []any {
	args := []any{owner}
	for _, l := range leases {
		args = append(args, l.Shard)
	}
	return args
}

func (q *Queue) exec(ctx context.Context, statement string, args ...any) error {
	return again(ctx, func() error {
		_, err := q.pool.ExecContext(ctx, statement, args...)
		return err
	})
}
