package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	// The floor of Queue.Fetch (floor.go) relies on a writer having a transaction id before it draws ids of
	// outbox rows. The condition sees to it: it depends on no row, so it is tested before the first one is made.
	insertOne = `
INSERT INTO outbox (shard, topic, key, event_id, type, payload, headers, traceparent)
SELECT $1::smallint, $2::text, $3::text, $4::uuid, $5::text, $6::bytea, $7::jsonb, $8::text
WHERE pg_current_xact_id() IS NOT NULL`

	// insertRows has one text for any number of rows, so it is prepared once. ORDER BY makes the ids follow the
	// order of Emit calls.
	insertRows = `
INSERT INTO outbox (shard, topic, key, event_id, type, payload, headers, traceparent)
SELECT m.shard, m.topic, m.key, m.event_id::uuid, m.type, m.payload, m.headers::jsonb, m.traceparent
FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[])
     WITH ORDINALITY AS m (shard, topic, key, event_id, type, payload, headers, traceparent, n)
WHERE pg_current_xact_id() IS NOT NULL
ORDER BY m.n`

	// durable makes the commit wait for the disk where the role's or database's default is not to: a relay
	// could otherwise publish an event that a crash of the server then forgets.
	durable = `SET LOCAL synchronous_commit = on`
)

// queueRows adds to b the statement that writes msgs as outbox rows, in order.
func queueRows(b *pgx.Batch, msgs []outbox.Message) error {
	if len(msgs) == 1 {
		r, err := encode(&msgs[0])
		if err != nil {
			return err
		}
		b.Queue(insertOne, r.shard, r.topic, r.key, r.id, r.kind, r.payload, r.headers, r.traceparent)
		return nil
	}
	n := len(msgs)
	shards, payloads, headers := make([]int16, n), make([][]byte, n), make([]*string, n)
	topics, keys, ids, kinds, traces := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i := range msgs {
		r, err := encode(&msgs[i])
		if err != nil {
			return err
		}
		shards[i], topics[i], keys[i], ids[i], kinds[i] = r.shard, r.topic, r.key, r.id, r.kind
		payloads[i], headers[i], traces[i] = r.payload, r.headers, r.traceparent
	}
	b.Queue(insertRows, shards, topics, keys, ids, kinds, payloads, headers, traces)
	return nil
}

// outboxRow is a message as the columns of its row.
type outboxRow struct {
	shard                             int16
	topic, key, id, kind, traceparent string
	payload                           []byte
	headers                           *string // JSON, nil when there are none
}

func encode(m *outbox.Message) (outboxRow, error) {
	r := outboxRow{
		shard: outbox.Shard(m.Topic, m.Key), topic: m.Topic, key: m.Key, id: m.ID.String(), kind: m.Type,
		traceparent: m.Traceparent, payload: m.Payload,
	}
	if r.payload == nil {
		r.payload = []byte{} // nil would be NULL
	}
	if len(m.Headers) > 0 {
		j, err := json.Marshal(m.Headers)
		if err != nil {
			return r, fmt.Errorf("encode headers of %s: %w", m.Type, err)
		}
		s := string(j)
		r.headers = &s
	}
	return r, nil
}

// notDurable is the mark a connection carries whose session commits without waiting for the disk.
const notDurable = "store.notDurable"

// greet asks a new connection what no transaction has to ask then, and finds out a pooler that nobody told of: the
// process that answers is not the one that was connected to.
func (db *DB) greet(ctx context.Context, conn *pgx.Conn) error {
	var setting string
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT current_setting('synchronous_commit'), pg_backend_pid()", pgx.QueryExecModeExec).Scan(&setting, &pid)
	if err != nil {
		return fmt.Errorf("read synchronous_commit: %w", err)
	}
	if setting == "off" {
		conn.PgConn().CustomData()[notDurable] = true
	}
	if pid != conn.PgConn().PID() && !db.pooler {
		db.warned.Do(func() {
			db.log.WarnContext(ctx, "connected through a pooler: if it is in transaction mode, set DATABASE_POOLER=true, or migrations and wake-ups misbehave")
		})
	}
	return nil
}

func durabilityOff(conn *pgx.Conn) bool {
	return conn.PgConn().CustomData()[notDurable] != nil
}
