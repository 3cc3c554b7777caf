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
	// URL is mysql://user:password@host:port/database?param=value, or the Go driver's own user:password@tcp(…)/….
	URL string `env:"DATABASE_URL,required,notEmpty"`
	// MaxConns bounds the connections of business transactions. The relay has RelayConns of its own, so that
	// a pool emptied by slow requests does not hold up events.
	MaxConns   int `env:"DATABASE_MAX_CONNS" envDefault:"16"`
	RelayConns int `env:"DATABASE_RELAY_CONNS" envDefault:"3"`
	// AcquireTimeout is how long a request waits for a free connection before it fails as unavailable.
	AcquireTimeout time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT" envDefault:"3s"`
	ConnectTimeout time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"3s"`
	// StatementTimeout ends statements on the server (on MySQL only SELECT has such a limit). A connection that
	// has been silent for longer than it and a margin is given up.
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT" envDefault:"5s"`
	LockTimeout      time.Duration `env:"DATABASE_LOCK_TIMEOUT" envDefault:"2s"`
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
