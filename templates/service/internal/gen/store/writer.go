package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"modernc.org/sqlite"
)

// errLost is the answer to every statement after SQLite has rolled a transaction back on its own.
var errLost = errors.New("sqlite rolled the transaction back")

// gate is what the committer and the one write connection tell each other.
//
// SQLite can roll back a whole transaction by itself: when a write statement is interrupted, when the disk is
// full, on an I/O error, on ON CONFLICT ROLLBACK. The connection is then in autocommit mode, and what the
// function does next would be committed at once, statement by statement, while database/sql believes in a
// transaction. So the connection refuses statements from that moment on, until the next BEGIN.
type gate struct {
	mu   sync.Mutex
	turn context.Context // of the function that has the turn; nil outside
	open bool            // between BEGIN and the end of the transaction as database/sql sees it
	lost bool            // SQLite ended it before
}

// enter makes ctx the one that may interrupt statements.
func (g *gate) enter(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn = ctx
}

// leave lets no statement be interrupted.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn = nil
}

func (g *gate) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.lost = true, false
}

func (g *gate) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.lost = false, false
}

// rolledBack is SQLite's rollback hook.
func (g *gate) rolledBack() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lost = g.open
}

func (g *gate) isLost() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

// statement decides whether a statement may run, and under which context. A caller's cancelled ctx stops the
// next statement but does not interrupt the one that runs, since that could cost everyone who shares the
// transaction their work; only the turn's own context does, and it allows for a grace.
func (g *gate) statement(ctx context.Context) (context.Context, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost {
		return nil, errLost
	}
	if g.turn == nil {
		return context.Background(), nil
	}
	return g.turn, nil
}

// writer opens the one write connection and puts the gate in front of it.
type writer struct {
	driver.Connector
	gate *gate
}

// Connect implements driver.Connector.
func (w *writer) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := c.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite driver connection %T lacks what the store needs", c), c.Close())
	}
	inner.RegisterRollbackHook(w.gate.rolledBack)
	return &writeConn{sqliteConn: inner, gate: w.gate}, nil
}

// sqliteConn is what modernc's connection offers.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	sqlite.HookRegisterer
}

type writeConn struct {
	sqliteConn
	gate *gate
}

// BeginTx implements driver.ConnBeginTx.
func (c *writeConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.sqliteConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.gate.begin()
	return &writeTx{Tx: tx, gate: c.gate}, nil
}

// ExecContext implements driver.ExecerContext.
func (c *writeConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := c.gate.statement(ctx)
	if err != nil {
		return nil, err
	}
	return c.sqliteConn.ExecContext(ctx, q, args)
}

// QueryContext implements driver.QueryerContext.
func (c *writeConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	ctx, err := c.gate.statement(ctx)
	if err != nil {
		return nil, err
	}
	return c.sqliteConn.QueryContext(ctx, q, args)
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *writeConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.sqliteConn.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	inner, ok := s.(sqliteStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite driver statement %T lacks what the store needs", s), s.Close())
	}
	return &writeStmt{sqliteStmt: inner, gate: c.gate}, nil
}

type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type writeStmt struct {
	sqliteStmt
	gate *gate
}

// ExecContext implements driver.StmtExecContext.
func (s *writeStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	ctx, err := s.gate.statement(ctx)
	if err != nil {
		return nil, err
	}
	return s.sqliteStmt.ExecContext(ctx, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *writeStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	ctx, err := s.gate.statement(ctx)
	if err != nil {
		return nil, err
	}
	return s.sqliteStmt.QueryContext(ctx, args)
}

type writeTx struct {
	driver.Tx
	gate *gate
}

// Commit implements driver.Tx.
func (t *writeTx) Commit() error {
	defer t.gate.end()
	if t.gate.isLost() {
		return errLost
	}
	return t.Tx.Commit()
}

// Rollback implements driver.Tx. There is nothing left to roll back after SQLite did it.
func (t *writeTx) Rollback() error {
	defer t.gate.end()
	if t.gate.isLost() {
		return nil
	}
	return t.Tx.Rollback()
}
