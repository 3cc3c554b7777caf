package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Queue is the outbox table of one database, as the relay and the operator's commands see it. It has its own
// connections, and none of its transactions outlives a call.
type Queue struct {
	pool      *pgxpool.Pool
	floor     *floor
	proof     proof
	wake      *waker
	committed func() // wakes the relay of this process
}

var (
	_ outbox.Queue = (*Queue)(nil)
	_ outbox.Admin = (*Queue)(nil)
	_ outbox.Waker = (*Queue)(nil)
)

// newQueue takes over cfg's connections. Behind a pooler there is neither a floor, since a failover could go
// unseen, nor a wake-up.
func newQueue(ctx context.Context, cfg *pgxpool.Config, pooler bool, committed func(), log *slog.Logger) (*Queue, error) {
	q := &Queue{floor: newFloor(pooler), proof: xminProof, committed: committed}
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error {
		q.floor.reset()
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	q.pool = pool
	q.wake = newWaker(pool, pooler, log)
	return q, nil
}

// fetchRows reads by id, from the floor up. The lists are arrays: one statement text whatever their length.
// NOT IN, since the blocked keys are few and an anti-join could be planned as a hash of the whole table.
const fetchRows = `
SELECT o.id, o.shard, o.topic, o.key, o.event_id, o.type, o.payload, o.headers, o.traceparent, o.created_at, o.attempts
FROM outbox AS o
WHERE o.id > $1
  AND o.shard = ANY (ARRAY(
      SELECT l.shard FROM outbox_lease AS l
      JOIN unnest($3::smallint[], $4::bigint[]) AS mine (shard, epoch) ON mine.shard = l.shard AND mine.epoch = l.epoch
      WHERE l.owner = $2))
  AND o.id <> ALL ($5::bigint[])
  AND (o.topic, o.key) NOT IN (SELECT b.topic, b.key FROM outbox_blocked AS b)
  AND o.topic <> ALL ($6::text[])
  AND (o.topic, o.key) NOT IN (SELECT k.topic, k.key FROM unnest($7::text[], $8::text[]) AS k (topic, key))
ORDER BY o.id LIMIT $9`

// Fetch implements outbox.Queue. One round trip; no lock is taken.
func (q *Queue) Fetch(ctx context.Context, p outbox.Page) ([]outbox.Record, error) {
	if len(p.Leases) == 0 || p.Limit <= 0 {
		return nil, nil
	}
	read := q.floor.begin(p)
	xmin, rows, full, err := q.proof.read(ctx, q, p, read.start)
	if err != nil {
		return nil, fmt.Errorf("fetch outbox rows: %w", err)
	}
	q.floor.end(read, xmin, rows, full)
	return rows, nil
}

// page reads the oldest transaction still running and then the page, in one pipeline. The order of the two is
// part of the floor's proof. full says that there may be more rows behind the last one.
func (q *Queue) page(ctx context.Context, p outbox.Page, start int64) (xmin uint64, rows []outbox.Record, full bool, err error) {
	b := &pgx.Batch{}
	b.Queue(q.proof.oldest)
	queueFetch(b, p, start)
	res := q.pool.SendBatch(ctx, b)
	defer func() { err = errors.Join(err, res.Close()) }()
	var text string
	if err = res.QueryRow().Scan(&text); err != nil {
		return 0, nil, false, err
	}
	if xmin, err = strconv.ParseUint(text, 10, 64); err != nil {
		return 0, nil, false, err
	}
	rows, full, err = readPage(res, p)
	return xmin, rows, full, err
}

func queueFetch(b *pgx.Batch, p outbox.Page, start int64) {
	shards, epochs := make([]int16, len(p.Leases)), make([]int64, len(p.Leases))
	for i, l := range p.Leases {
		shards[i], epochs[i] = l.Shard, l.Epoch
	}
	topics, keys := make([]string, len(p.Keys)), make([]string, len(p.Keys))
	for i, k := range p.Keys {
		topics[i], keys[i] = k.Topic, k.Key
	}
	held := make([]int64, 0, len(p.Held))
	for _, row := range p.Held {
		if row > start {
			held = append(held, row)
		}
	}
	b.Queue(fetchRows, start, p.Owner, shards, epochs, held, notNil(p.Topics), topics, keys, p.Limit)
}

// notNil keeps a list from becoming NULL, to which no comparison is true.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func readPage(res pgx.BatchResults, p outbox.Page) (out []outbox.Record, full bool, err error) {
	rows, err := res.Query()
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	out = make([]outbox.Record, 0, min(p.Limit, 1024))
	size := 0
	var r outbox.Record
	dest := recordDest(&r)
	for rows.Next() {
		if p.Bytes > 0 && size >= p.Bytes {
			return out, true, nil
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, false, err
		}
		size += len(r.Payload)
		out = append(out, r)
	}
	return out, len(out) == p.Limit, rows.Err()
}

// recordDest is where the columns of fetchRows go. It serves one row after the other: none shares memory with the
// next but for its topic and its type.
func recordDest(r *outbox.Record) []any {
	return []any{&r.Row, &r.Shard, (*repeated)(&r.Topic), &r.Key, (*[16]byte)(&r.ID), (*repeated)(&r.Type), &r.Payload,
		(*headers)(&r.Headers), &r.Traceparent, &r.CreatedAt, &r.Attempts}
}

// repeated is a string that is mostly the one of the row before; then it is not made anew.
type repeated string

// ScanBytes implements pgtype.BytesScanner.
func (s *repeated) ScanBytes(v []byte) error {
	if string(v) != string(*s) {
		*s = repeated(v)
	}
	return nil
}

// headers are mostly none, which need no JSON.
type headers map[string]string

// ScanBytes implements pgtype.BytesScanner.
func (h *headers) ScanBytes(v []byte) error {
	*h = nil
	if v == nil {
		return nil
	}
	return json.Unmarshal(v, (*map[string]string)(h))
}

// deleteChunk bounds the rows of one DELETE, and so the time its transaction is open.
const deleteChunk = 1000

// Delete implements outbox.Queue.
func (q *Queue) Delete(ctx context.Context, rows []int64) error {
	for len(rows) > 0 {
		n := min(len(rows), deleteChunk)
		if err := q.delete(ctx, rows[:n]); err != nil {
			return fmt.Errorf("delete outbox rows: %w", err)
		}
		rows = rows[n:]
	}
	return nil
}

// delete also brings home a candidate for the floor when one is wanted: its transaction has a fresh id anyway.
func (q *Queue) delete(ctx context.Context, rows []int64) (err error) {
	b := &pgx.Batch{}
	generation, propose := q.floor.wanted()
	if propose {
		b.Queue(q.proof.drawn)
		b.Queue(q.proof.fresh)
	}
	b.Queue(`DELETE FROM outbox WHERE id = ANY ($1)`, rows)
	res := q.pool.SendBatch(ctx, b)
	defer func() { err = errors.Join(err, res.Close()) }()
	if propose {
		var c candidate
		var text string
		if err := res.QueryRow().Scan(&c.row); err != nil {
			return err
		}
		if err := res.QueryRow().Scan(&text); err != nil {
			return err
		}
		if c.xid, err = strconv.ParseUint(text, 10, 64); err != nil {
			return err
		}
		q.floor.propose(c, generation)
	}
	_, err = res.Exec()
	return err
}
