package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

const (
	// drawXid gives the transaction its id before it draws ids of outbox rows. The floor of Queue.Fetch relies
	// on it (floor.go).
	drawXid = `SELECT pg_current_xact_id()`

	// insertRows has one text for any number of rows, so it is prepared once. ORDER BY makes the ids follow the
	// order of Emit calls.
	insertRows = `
INSERT INTO outbox (shard, topic, key, event_id, type, payload, headers, traceparent)
SELECT m.shard, m.topic, m.key, m.event_id::uuid, m.type, m.payload, m.headers::jsonb, m.traceparent
FROM unnest($1::smallint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[])
     WITH ORDINALITY AS m (shard, topic, key, event_id, type, payload, headers, traceparent, n)
ORDER BY m.n`

	// durable makes the commit wait for the disk where the role's or database's default is not to: a relay
	// could otherwise publish an event that a crash of the server then forgets.
	durable = `SET LOCAL synchronous_commit = on`
)

// queueRows adds to b the statements that write msgs as outbox rows, in order.
func queueRows(b *pgx.Batch, msgs []outbox.Message) error {
	n := len(msgs)
	var (
		shards                         = make([]int16, n)
		topics, keys, ids, types, trac = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		payloads                       = make([][]byte, n)
		headers                        = make([]*string, n)
	)
	for i := range msgs {
		m := &msgs[i]
		shards[i] = outbox.Shard(m.Topic, m.Key)
		topics[i], keys[i], ids[i], types[i], trac[i] = m.Topic, m.Key, m.ID.String(), m.Type, m.Traceparent
		if payloads[i] = m.Payload; m.Payload == nil {
			payloads[i] = []byte{} // nil would be NULL
		}
		if len(m.Headers) > 0 {
			j, err := json.Marshal(m.Headers)
			if err != nil {
				return fmt.Errorf("encode headers of %s: %w", m.Type, err)
			}
			s := string(j)
			headers[i] = &s
		}
	}
	b.Queue(drawXid)
	b.Queue(insertRows, shards, topics, keys, ids, types, payloads, headers, trac)
	return nil
}

// notDurable is the mark a connection carries whose session commits without waiting for the disk.
const notDurable = "store.notDurable"

// rememberDurability asks once per connection, so that no transaction has to.
func rememberDurability(ctx context.Context, conn *pgx.Conn) error {
	var setting string
	if err := conn.QueryRow(ctx, "SELECT current_setting('synchronous_commit')", pgx.QueryExecModeExec).Scan(&setting); err != nil {
		return fmt.Errorf("read synchronous_commit: %w", err)
	}
	if setting == "off" {
		conn.PgConn().CustomData()[notDurable] = true
	}
	return nil
}

func durabilityOff(conn *pgx.Conn) bool {
	return conn.PgConn().CustomData()[notDurable] != nil
}
