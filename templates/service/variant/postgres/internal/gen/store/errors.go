package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// ErrCommitUnknown is returned by InTx when it cannot be known whether the transaction was committed: the
// connection was lost between COMMIT and its answer. The caller may repeat the request only if doing it twice
// does no harm.
var ErrCommitUnknown = errors.New("the outcome of the commit is unknown")

// errBusy marks a failure to get a connection in time although the caller had more of it.
var errBusy = errors.New("no free database connection")

// Unavailable reports whether err says that the database cannot be used just now, as opposed to an error in
// what was asked of it: the same call may succeed later. It is false for ErrCommitUnknown, which is not safe to
// repeat, and for a deadline of the caller's own.
func Unavailable(err error) bool {
	var server *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case err == nil || errors.Is(err, ErrCommitUnknown):
		return false
	case errors.Is(err, errBusy) || errors.Is(err, puddle.ErrClosedPool):
		return true
	case errors.As(err, &server):
		return unavailableState(server.Code)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return false
	}
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// unavailableState sorts SQLSTATEs; the classes are those of appendix A of PostgreSQL's manual.
func unavailableState(code string) bool {
	switch code {
	case "25006", // read-only: this server is a standby, or no longer the primary
		"57P01", "57P02", "57P03", "57P05": // shutting down, crashed, starting, idle too long
		return true
	}
	return strings.HasPrefix(code, "08") || // connection
		strings.HasPrefix(code, "53") || // out of connections, memory, disk
		strings.HasPrefix(code, "58") // system error
}

// retryable reports whether the server rolled the transaction back for the sake of others, so that running it
// again is the right answer.
func retryable(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) &&
		(server.Code == "40001" || server.Code == "40P01") // serialization failure, deadlock
}

// endError sorts an error that came back for step, one of the statements of the pipeline that ends with COMMIT.
// Only what the server refused, or what never left this process, is certain not to have been committed. A fatal
// error is the end of the session, which may have come after the commit.
func endError(step string, err error) error {
	var server *pgconn.PgError
	var unsent pgx.ErrPreprocessingBatch
	switch {
	case errors.As(err, &server) && server.Severity != "FATAL" && server.Severity != "PANIC",
		errors.As(err, &unsent), pgconn.SafeToRetry(err):
		return fmt.Errorf("%s: %w", step, err)
	}
	return fmt.Errorf("%s: %w: %w", step, ErrCommitUnknown, err)
}

// explain says what to do about a pooler that does not let session settings through, and a server without TLS.
func explain(err error) error {
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server) && server.Code == "08P01" && strings.Contains(server.Message, "startup parameter"):
		return fmt.Errorf("%w; behind a pooler in transaction mode set DATABASE_POOLER=true", err)
	case err != nil && strings.Contains(err.Error(), "server refused TLS connection"):
		return fmt.Errorf("%w; to go without, DATABASE_URL must say sslmode=disable", err)
	}
	return err
}
