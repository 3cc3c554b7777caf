package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

var (
	// ErrCommitUnknown is returned by InTx when it cannot be known whether the transaction was committed: the
	// connection was lost between COMMIT and its answer. The caller may repeat the request only if doing it
	// twice does no harm.
	ErrCommitUnknown = errors.New("the outcome of the commit is unknown")
	// ErrClosed is returned by InTx after Close.
	ErrClosed = errors.New("the database is closed")

	// errBusy marks a failure to get a connection in time although the caller had more of it.
	errBusy = errors.New("no free database connection")
)

// Unavailable reports whether err says that the database cannot be used just now, as opposed to an error in
// what was asked of it: the same call may succeed later. It is false for ErrCommitUnknown, which is not safe to
// repeat, and for a deadline of the caller's own.
func Unavailable(err error) bool {
	var server *mysql.MySQLError
	var network net.Error
	switch {
	case err == nil || errors.Is(err, ErrCommitUnknown):
		return false
	case errors.Is(err, errBusy) || errors.Is(err, ErrClosed) || errors.Is(err, errLost):
		return true
	case errors.As(err, &server):
		return unavailableCode(server.Number)
	case errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone):
		return true
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func unavailableCode(n uint16) bool {
	switch n {
	case 1021, 1114, // disk full, table full
		1037, 1038, // out of memory
		1040, 1203, // too many connections
		1290, 1792, 1836: // read-only: this server is not the primary
		return true
	}
	return ended(n)
}

// ended reports whether a server error is the end of the session.
func ended(n uint16) bool {
	switch n {
	case 1053, 1077, 1079, // shutting down
		1317, 1927, 3169: // killed
		return true
	}
	return false
}

// retryable reports whether the server rolled the transaction back for the sake of others, so that running it
// again is the right answer.
func retryable(err error) bool { return rolledBack(err) || errors.Is(err, errLost) }

// commitError sorts the errors of COMMIT. Only the server's refusal, or not having been sent, is certain.
func commitError(err error) error {
	var server *mysql.MySQLError
	// A statement that is stopped by its time limit may have been stopped behind its COMMIT.
	refused := errors.As(err, &server) && !ended(server.Number) && server.Number != 1969
	if refused || errors.Is(err, errLost) || errors.Is(err, driver.ErrBadConn) {
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("commit: %w: %w", ErrCommitUnknown, err)
}
