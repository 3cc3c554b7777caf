package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Bounds of one INSERT: well below the smallest max_allowed_packet in use, even if every byte is escaped.
const (
	insertRows  = 500
	insertBytes = 1 << 20
)

const (
	insertInto = "INSERT INTO outbox (shard, topic, `key`, event_id, type, payload, headers, traceparent, created_at) VALUES "
	insertRow  = "(?,?,?,?,?,?,?,?,UTC_TIMESTAMP(6))"
	insertArgs = 8
)

// insert writes msgs as outbox rows, in order, many to a statement.
func insert(ctx context.Context, tx *sql.Tx, msgs []outbox.Message) error {
	for len(msgs) > 0 {
		n := chunk(msgs)
		q, args, err := rows(msgs[:n])
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, q, args...); err != nil {
			return fmt.Errorf("write outbox rows: %w", err)
		}
		msgs = msgs[n:]
	}
	return nil
}

// flush is insert, but where the server can, the last statement waits for COMMIT and goes with it.
func flush(ctx context.Context, conn *sql.Conn, tx *sql.Tx, msgs []outbox.Message) error {
	if len(msgs) == 0 || len(msgs) > chunk(msgs) { // many: what they cost is not round trips
		return insert(ctx, tx, msgs)
	}
	waits := false
	err := conn.Raw(func(c any) error {
		gated, ok := c.(*gatedConn)
		if !ok || !gated.compound || gated.lost {
			return nil
		}
		q, values, err := rows(msgs)
		if err != nil {
			return err
		}
		args := make([]driver.NamedValue, len(values))
		for i, v := range values {
			args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
			if err := gated.CheckNamedValue(&args[i]); err != nil {
				return fmt.Errorf("write outbox rows: %w", err)
			}
		}
		gated.last, waits = &statement{text: q, args: args}, true
		return nil
	})
	if err != nil || waits {
		return err
	}
	return insert(ctx, tx, msgs)
}

// chunk is how many of msgs go into one statement.
func chunk(msgs []outbox.Message) (n int) {
	for size := 0; n < len(msgs) && n < insertRows && size < insertBytes; n++ {
		size += len(msgs[n].Payload)
	}
	return n
}

// rows is the statement that writes msgs.
func rows(msgs []outbox.Message) (q string, args []any, err error) {
	args = make([]any, 0, len(msgs)*insertArgs)
	for i := range msgs {
		m := &msgs[i]
		headers, err := encodeHeaders(m.Headers)
		if err != nil {
			return "", nil, err
		}
		payload := m.Payload
		if payload == nil {
			payload = []byte{} // nil would be NULL
		}
		args = append(args, outbox.Shard(m.Topic, m.Key), m.Topic, []byte(m.Key), m.ID[:], m.Type, payload, headers, m.Traceparent)
	}
	return insertInto + strings.Repeat(insertRow+",", len(msgs)-1) + insertRow, args, nil
}

func encodeHeaders(h map[string]string) (any, error) {
	if len(h) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode headers: %w", err)
	}
	return string(b), nil
}
