package tally

import (
	"context"

	"example.com/tally/internal/gen/store"
)

// count is the key's next number. The row it updates is the lock that the key's events are ordered by.
func count(ctx context.Context, tx *store.Tx, op, key string) (version int64, err error) {
	const q = `
		WITH n AS (
			INSERT INTO total (key, version) VALUES ($1, 1)
			ON CONFLICT (key) DO UPDATE SET version = total.version + 1 RETURNING version
		)
		INSERT INTO entry (op, key, version) SELECT $2, $1, version FROM n RETURNING version`
	err = tx.QueryRow(ctx, q, key, op).Scan(&version)
	return version, err
}
