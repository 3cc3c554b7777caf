package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// errLost is the answer to every statement, and to COMMIT, after the server has rolled a transaction back.
var errLost = errors.New("the server rolled the transaction back")

// mysqlConn is what the driver's connection offers.
type mysqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// gatedConn is a connection that knows when its transaction is gone. A deadlock makes the server roll back the
// whole transaction, not just the statement: what a function that overlooks the error does next would be
// committed at once, statement by statement, while database/sql believes in a transaction. So the connection
// refuses statements from then on, until the next BEGIN. database/sql uses it from one goroutine at a time.
//
// A connection of InTx alone has autocommit off: every transaction begins by itself with its first statement, and ends
// with COMMIT or ROLLBACK.
type gatedConn struct {
	mysqlConn
	own      bool // of InTx alone
	compound bool // its server takes INSERT and COMMIT in one statement
	open     bool // between BEGIN and the end of the transaction as database/sql sees it
	lost     bool // the server ended it before
	used     bool // a statement was sent since it began
	last     *statement
	broken   bool // not to be used again: it may be inside a transaction
}

// IsValid implements driver.Validator.
func (c *gatedConn) IsValid() bool { return !c.broken && c.mysqlConn.IsValid() }

// statement is what COMMIT takes along.
type statement struct {
	text string
	args []driver.NamedValue
}

// errAutocommit is the answer to a statement that would change what every later transaction rests on.
var errAutocommit = errors.New("autocommit belongs to InTx: use a connection of Pool")

// admit looks at a statement before it is sent.
func (c *gatedConn) admit(q string) error {
	switch {
	case c.lost:
		return errLost
	case c.own && strings.Contains(strings.ToLower(q), "autocommit"):
		return errAutocommit
	}
	c.used = true
	return nil
}

// note looks at the error of a statement.
func (c *gatedConn) note(err error) error {
	if c.open && rolledBack(err) {
		c.lost = true
	}
	return err
}

// rows makes errors that come while reading known too.
func (c *gatedConn) rows(rows driver.Rows, err error) (driver.Rows, error) {
	if err != nil {
		return nil, c.note(err)
	}
	if inner, ok := rows.(mysqlRows); ok {
		return &gatedRows{mysqlRows: inner, conn: c}, nil
	}
	return rows, nil // of no columns
}

// BeginTx implements driver.ConnBeginTx.
func (c *gatedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var tx driver.Tx = ownTx{c}
	if !c.own {
		var err error
		if tx, err = c.mysqlConn.BeginTx(ctx, opts); err != nil {
			return nil, err
		}
	}
	c.open, c.lost, c.used, c.last = true, false, false, nil
	return &gatedTx{Tx: tx, conn: c}, nil
}

// ownTx ends a transaction that began by itself. database/sql gives an end no ctx; the driver's time-outs bound it.
type ownTx struct{ conn *gatedConn }

// Commit implements driver.Tx.
func (t ownTx) Commit() error {
	switch c := t.conn; {
	case c.last != nil:
		return t.exec("BEGIN NOT ATOMIC "+c.last.text+"; COMMIT; END", c.last.args)
	case c.used:
		return t.exec("COMMIT", nil)
	}
	return nil // nothing was asked of the database
}

// Rollback implements driver.Tx.
func (t ownTx) Rollback() error {
	if !t.conn.used {
		return nil
	}
	err := t.exec("ROLLBACK", nil)
	t.conn.broken = err != nil // else the next transaction would begin in this one
	return err
}

func (t ownTx) exec(q string, args []driver.NamedValue) error {
	_, err := t.conn.mysqlConn.ExecContext(context.Background(), q, args)
	return err
}

// ExecContext implements driver.ExecerContext.
func (c *gatedConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.admit(q); err != nil {
		return nil, err
	}
	res, err := c.mysqlConn.ExecContext(ctx, q, args)
	return res, c.note(err)
}

// QueryContext implements driver.QueryerContext.
func (c *gatedConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.admit(q); err != nil {
		return nil, err
	}
	return c.rows(c.mysqlConn.QueryContext(ctx, q, args))
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *gatedConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	if err := c.admit(q); err != nil {
		return nil, err
	}
	s, err := c.mysqlConn.PrepareContext(ctx, q)
	if err != nil {
		return nil, c.note(err)
	}
	inner, ok := s.(mysqlStmt)
	if !ok {
		return nil, errors.Join(errors.New("mysql driver statement lacks what the store needs"), s.Close())
	}
	return &gatedStmt{mysqlStmt: inner, conn: c}, nil
}

type mysqlStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
	driver.NamedValueChecker
}

type gatedStmt struct {
	mysqlStmt
	conn *gatedConn
}

// ExecContext implements driver.StmtExecContext.
func (s *gatedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.conn.lost {
		return nil, errLost
	}
	res, err := s.mysqlStmt.ExecContext(ctx, args)
	return res, s.conn.note(err)
}

// QueryContext implements driver.StmtQueryContext.
func (s *gatedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.conn.lost {
		return nil, errLost
	}
	return s.conn.rows(s.mysqlStmt.QueryContext(ctx, args))
}

type mysqlRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
}

type gatedRows struct {
	mysqlRows
	conn *gatedConn
}

// Next implements driver.Rows.
func (r *gatedRows) Next(dest []driver.Value) error { return r.conn.note(r.mysqlRows.Next(dest)) }

type gatedTx struct {
	driver.Tx
	conn *gatedConn
}

// Commit implements driver.Tx. Only a COMMIT that was really sent can have an unknown outcome.
func (t *gatedTx) Commit() error {
	lost := t.conn.lost
	t.conn.open, t.conn.lost = false, false
	switch {
	case lost:
		return errors.Join(errLost, t.Tx.Rollback())
	case !t.conn.IsValid():
		return errLost
	}
	err := t.Tx.Commit()
	if err != nil && t.conn.own && t.conn.IsValid() {
		// What went with COMMIT was refused, and the transaction is still open.
		return errors.Join(err, t.Tx.Rollback())
	}
	return err
}

// Rollback implements driver.Tx.
func (t *gatedTx) Rollback() error {
	t.conn.open, t.conn.lost = false, false
	return t.Tx.Rollback()
}

// rolledBack reports whether err says that the server rolled back the whole transaction.
func rolledBack(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Number {
	case 1213, // deadlock
		1020, // MariaDB: record has changed since last read
		1614: // XA: deadlock
		return true
	}
	return false
}
