package tally

import (
	"context"

	"example.com/tally/internal/gen/store"
)

// count is the key's next number.
func count(ctx context.Context, tx *store.Tx, op, key string) (version int64, err error) {
	const add = "INSERT INTO total (key, version) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET version = version + 1 RETURNING version"
	if err := tx.QueryRowContext(ctx, add, key).Scan(&version); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO entry (op, key, version) VALUES (?, ?, ?)", op, key, version)
	return version, err
}
