package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	heartbeat = `INSERT INTO outbox_relay (id, seen_at) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen_at = now()`
	// A time further ahead than anybody would write is from before the clock was set back, and means nothing.
	forgetOld = `DELETE FROM outbox_relay WHERE seen_at NOT BETWEEN now() - 10 * $1::interval AND now() + 10 * $1::interval`
	countLive = `SELECT count(*) FROM outbox_relay WHERE seen_at BETWEEN now() - $1::interval AND now() + $1::interval`
	renew     = `UPDATE outbox_lease SET expires_at = now() + $2::interval WHERE owner = $1 AND expires_at > now() RETURNING shard, epoch`
	// MATERIALIZED: as a plain subquery it could be run once for each row, and take more than the limit.
	take = `
WITH free AS MATERIALIZED (
    SELECT shard FROM outbox_lease
    WHERE expires_at < now() OR expires_at > now() + CASE WHEN owner IS NULL THEN interval '1 second' ELSE 10 * $2::interval END
    ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE outbox_lease AS l SET owner = $1, epoch = epoch + 1, expires_at = now() + $2::interval
FROM free WHERE l.shard = free.shard RETURNING l.shard, l.epoch`
	// A shard given up while its relay goes on is free a moment later, so that what is in flight can be settled
	// and is not published twice.
	giveUp = `
UPDATE outbox_lease SET owner = NULL, expires_at = least(expires_at, now() + interval '1 second')
WHERE owner = $1 AND shard = ANY ($2)`
	release = `UPDATE outbox_lease SET owner = NULL, expires_at = '-infinity' WHERE owner = $1 AND shard = ANY ($2)`
	leave   = `DELETE FROM outbox_relay WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM outbox_lease WHERE owner = $1)`
)

// Lease implements outbox.Queue. One round trip while nothing changes, two when shards change hands. All times
// are the database's; what the caller gets is counted from before the request, less a margin.
//
// A lease bounds duplicates; order and safety do not rest on it.
func (q *Queue) Lease(ctx context.Context, owner string, ttl time.Duration) ([]outbox.Lease, error) {
	until := time.Now().Add(ttl - ttl/8)
	held, live, err := q.renew(ctx, owner, ttl)
	if err != nil {
		return nil, fmt.Errorf("renew leases: %w", err)
	}
	fair := (outbox.Shards + live - 1) / live
	switch {
	case len(held) < fair:
		more, err := q.take(ctx, owner, ttl, fair-len(held))
		if err != nil {
			return nil, fmt.Errorf("take leases: %w", err)
		}
		held = append(held, more...)
	case len(held) > fair:
		if _, err := q.pool.Exec(ctx, giveUp, owner, shardsOf(held[fair:])); err != nil {
			return nil, fmt.Errorf("give up leases: %w", err)
		}
		held = held[:fair]
	}
	for i := range held {
		held[i].Until = until
	}
	q.wake.alone(len(held) == outbox.Shards)
	return held, nil
}

func (q *Queue) renew(ctx context.Context, owner string, ttl time.Duration) (held []outbox.Lease, live int, err error) {
	b := &pgx.Batch{}
	b.Queue(heartbeat, owner)
	b.Queue(countLive, ttl)
	b.Queue(renew, owner, ttl)
	res := q.pool.SendBatch(ctx, b)
	defer func() { err = errors.Join(err, res.Close()) }()
	if _, err := res.Exec(); err != nil {
		return nil, 0, err
	}
	if err := res.QueryRow().Scan(&live); err != nil {
		return nil, 0, err
	}
	rows, err := res.Query()
	if err != nil {
		return nil, 0, err
	}
	held, err = pgx.CollectRows(rows, toLease)
	return held, max(live, 1), err
}

func (q *Queue) take(ctx context.Context, owner string, ttl time.Duration, n int) (taken []outbox.Lease, err error) {
	b := &pgx.Batch{}
	b.Queue(forgetOld, ttl)
	b.Queue(take, owner, ttl, n)
	q.wake.queueLeases(b) // whoever has more than a fair share gives some up now
	res := q.pool.SendBatch(ctx, b)
	defer func() { err = errors.Join(err, res.Close()) }()
	if _, err := res.Exec(); err != nil {
		return nil, err
	}
	rows, err := res.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, toLease)
}

// Release implements outbox.Queue, and tells the other relays.
func (q *Queue) Release(ctx context.Context, owner string, leases []outbox.Lease) error {
	b := &pgx.Batch{}
	b.Queue(release, owner, shardsOf(leases))
	b.Queue(leave, owner)
	q.wake.queueLeases(b)
	if err := q.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	return nil
}

func toLease(row pgx.CollectableRow) (l outbox.Lease, err error) {
	return l, row.Scan(&l.Shard, &l.Epoch)
}

func shardsOf(leases []outbox.Lease) []int16 {
	out := make([]int16, len(leases))
	for i, l := range leases {
		out[i] = l.Shard
	}
	return out
}
