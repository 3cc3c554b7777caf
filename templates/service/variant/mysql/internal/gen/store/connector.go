package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// connector opens connections with the session settings of cfg, and puts a gate in front of each (gate.go).
type connector struct {
	driver.Connector
	set  []string // settings of every session
	own  bool     // for InTx alone: a transaction begins with its first statement, at no round trip
	cfg  Config
	log  *slog.Logger
	once *sync.Once // for the warning
}

func newConnector(m *mysql.Config, cfg Config, log *slog.Logger, set ...string) (*connector, error) {
	c, err := mysql.NewConnector(m)
	if err != nil {
		return nil, fmt.Errorf("mysql driver: %w", err)
	}
	return &connector{Connector: c, set: set, cfg: cfg, log: log, once: &sync.Once{}}, nil
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if errors.Is(err, mysql.ErrNoTLS) {
		return nil, fmt.Errorf("%w; to go without, DATABASE_URL must say tls=false", err)
	}
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(mysqlConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("mysql driver connection %T lacks what the store needs", raw), raw.Close())
	}
	mariaDB, err := c.prepare(ctx, conn)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &gatedConn{mysqlConn: conn, own: c.own, compound: c.own && mariaDB && c.cfg.Compound}, nil
}

// prepare makes the session's settings. What limits a statement's time is named differently on MariaDB.
func (c *connector) prepare(ctx context.Context, conn mysqlConn) (mariaDB bool, err error) {
	row, err := first(ctx, conn, `SELECT VERSION(), @@innodb_flush_log_at_trx_commit`)
	if err != nil {
		return false, fmt.Errorf("read server version: %w", err)
	}
	mariaDB = strings.Contains(fmt.Sprintf("%s", row[0]), "MariaDB")
	set := []string{
		"SET SESSION time_zone = '+00:00'",
		fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", max(1, int(c.cfg.LockTimeout/time.Second))),
	}
	if mariaDB {
		set = append(set, fmt.Sprintf("SET SESSION max_statement_time = %f", c.cfg.StatementTimeout.Seconds()))
	} else {
		set = append(set, fmt.Sprintf("SET SESSION max_execution_time = %d", c.cfg.StatementTimeout.Milliseconds()))
	}
	if c.own {
		set = append(set, "SET SESSION autocommit = 0")
	}
	for _, s := range append(set, c.set...) {
		if _, err := conn.ExecContext(ctx, s, nil); err != nil {
			return false, fmt.Errorf("prepare session: %w", err)
		}
	}
	if flush := fmt.Sprintf("%s", row[1]); flush != "1" {
		c.once.Do(func() {
			c.log.WarnContext(ctx, "the server may forget committed transactions whose events are published already: set innodb_flush_log_at_trx_commit=1",
				"innodb_flush_log_at_trx_commit", flush)
		})
	}
	return mariaDB, nil
}

// first returns the first row of a query without arguments.
func first(ctx context.Context, conn mysqlConn, q string) ([]driver.Value, error) {
	rows, err := conn.QueryContext(ctx, q, nil)
	if err != nil {
		return nil, err
	}
	row := make([]driver.Value, len(rows.Columns()))
	err = rows.Next(row)
	for i, v := range row {
		if b, ok := v.([]byte); ok {
			row[i] = append([]byte{}, b...) // the driver's buffer is used again
		} else if v != nil {
			row[i] = fmt.Append(nil, v)
		}
	}
	return row, errors.Join(err, rows.Close())
}
