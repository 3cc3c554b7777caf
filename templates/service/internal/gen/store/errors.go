package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrCommitUnknown is returned by InTx when it cannot be known whether the transaction was committed. The
	// caller may repeat the request only if doing it twice does no harm.
	ErrCommitUnknown = errors.New("the outcome of the commit is unknown")
	// ErrClosed is returned by InTx after Close.
	ErrClosed = errors.New("the database is closed")
)

// Unavailable reports whether err says that the database cannot be used just now, as opposed to an error in
// what was asked of it: the same call may succeed later.
func Unavailable(err error) bool {
	if errors.Is(err, ErrClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return true
	}
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}

// undone reports whether a COMMIT that failed with err certainly left nothing behind.
func undone(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY:
		return true
	}
	return errors.Is(err, errLost)
}

// code is SQLite's primary result code in err, or -1.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return -1
}
