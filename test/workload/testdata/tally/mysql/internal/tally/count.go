package tally

import (
	"context"

	"example.com/tally/internal/gen/store"
)

// count is the key's next number. The row it updates is the lock that the key's events are ordered by.
func count(ctx context.Context, tx *store.Tx, op, key string) (version int64, err error) {
	const add = "INSERT INTO total (`key`, version) VALUES (?, LAST_INSERT_ID(1)) ON DUPLICATE KEY UPDATE version = LAST_INSERT_ID(version + 1)"
	res, err := tx.ExecContext(ctx, add, key)
	if err != nil {
		return 0, err
	}
	if version, err = res.LastInsertId(); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO entry (op, `key`, version) VALUES (?, ?, ?)", op, key, version)
	return version, err
}
