package store

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Config says where the database is and how much of it this process may use.
type Config struct {
	URL     string `env:"DATABASE_URL" envDefault:"mysql://root@localhost:3306/{name}" help:"mysql://user:password@host:port/database?param=value, or the Go driver's own user:password@tcp(host:port)/database"`
	Migrate bool   `env:"DATABASE_MIGRATE" envDefault:"false" help:"apply migrations at start"`
	// The relay has connections of its own, so that a pool emptied by slow requests does not hold up events.
	MaxConns         int           `env:"DATABASE_MAX_CONNS" envDefault:"16" help:"connections for requests, at most"`
	RelayConns       int           `env:"DATABASE_RELAY_CONNS" envDefault:"3" help:"connections for the relay"`
	AcquireTimeout   time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT" envDefault:"3s" help:"how long a request waits for a free connection before it fails as unavailable"`
	ConnectTimeout   time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"3s" help:"how long connecting may take"`
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT" envDefault:"5s" help:"how long a statement may take; MySQL, unlike MariaDB, limits only SELECT"`
	LockTimeout      time.Duration `env:"DATABASE_LOCK_TIMEOUT" envDefault:"2s" help:"how long a statement waits for a lock, in whole seconds"`
}

// silence is how much longer than a statement may take an answer may take to arrive.
const silence = 5 * time.Second

// options is c in the driver's terms.
func (c Config) options() (*mysql.Config, error) {
	dsn := c.URL
	if rest, ok := strings.CutPrefix(c.URL, "mysql://"); ok {
		u, err := url.Parse("mysql://" + rest)
		if err != nil || u.Host == "" {
			return nil, errURL
		}
		host := u.Host
		if u.Port() == "" {
			host += ":3306"
		}
		credentials := u.User.Username()
		if password, ok := u.User.Password(); ok {
			credentials += ":" + password
		}
		dsn = fmt.Sprintf("%s@tcp(%s)/%s?%s", credentials, host, strings.TrimPrefix(u.Path, "/"), u.RawQuery)
	}
	m, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errURL
	}
	m.ParseTime, m.Loc = true, time.UTC
	// Arguments are written into the statement by the driver: one round trip for each, where preparing it would
	// take three. A statement is never more than one.
	m.InterpolateParams, m.MultiStatements = true, false
	m.Timeout = c.ConnectTimeout
	if m.ReadTimeout == 0 && c.StatementTimeout > 0 {
		m.ReadTimeout = c.StatementTimeout + silence
	}
	if m.WriteTimeout == 0 {
		m.WriteTimeout = silence
	}
	m.Logger = &mysql.NopLogger{} // errors are returned; the driver would print them too
	return m, nil
}

// errURL does not quote the URL, and with it the password.
var errURL = errors.New("parse DATABASE_URL: want mysql://user:password@host:port/database")
