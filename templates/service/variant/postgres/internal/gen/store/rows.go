package store

import "github.com/jackc/pgx/v5"

// firstRows are the rows of a statement that shares its batch with BEGIN: the connection is free for the next
// statement only after the batch is closed too.
type firstRows struct {
	pgx.Rows
	batch pgx.BatchResults
	err   error
}

// Next implements pgx.Rows.
func (r *firstRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close implements pgx.Rows.
func (r *firstRows) Close() {
	r.Rows.Close()
	r.err = r.batch.Close()
}

// Err implements pgx.Rows.
func (r *firstRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

// oneRow is the first of rows.
type oneRow struct{ rows pgx.Rows }

// Scan implements pgx.Row.
func (r oneRow) Scan(dest ...any) error {
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
