package store

import (
	"context"
	"database/sql"
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
		n, size := 0, 0
		for n < len(msgs) && n < insertRows && size < insertBytes {
			size += len(msgs[n].Payload)
			n++
		}
		args := make([]any, 0, n*insertArgs)
		for i := range msgs[:n] {
			m := &msgs[i]
			headers, err := encodeHeaders(m.Headers)
			if err != nil {
				return err
			}
			payload := m.Payload
			if payload == nil {
				payload = []byte{} // nil would be NULL
			}
			args = append(args, outbox.Shard(m.Topic, m.Key), m.Topic, []byte(m.Key), m.ID[:], m.Type, payload, headers, m.Traceparent)
		}
		q := insertInto + strings.Repeat(insertRow+",", n-1) + insertRow
		if _, err := tx.ExecContext(ctx, q, args...); err != nil {
			return fmt.Errorf("write outbox rows: %w", err)
		}
		msgs = msgs[n:]
	}
	return nil
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
