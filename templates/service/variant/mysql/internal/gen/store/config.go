package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Config says where the database is and how much of it this process may use.
type Config struct {
	URL     string `env:"DATABASE_URL" envDefault:"mysql://root@localhost:3306/{name}" help:"mysql://user:password@host:port/database?param=value, or the Go driver's own user:password@tcp(host:port)/database; other hosts must speak TLS unless it says tls=false"`
	TLSCA   string `env:"DATABASE_TLS_CA" help:"PEM file of the CAs that must have signed the server's certificate; the system's when empty"`
	TLSCert string `env:"DATABASE_TLS_CERT" help:"PEM file of the client's certificate"`
	TLSKey  string `env:"DATABASE_TLS_KEY" help:"PEM file of the client's private key"`
	Migrate bool   `env:"DATABASE_MIGRATE" envDefault:"false" help:"apply migrations at start"`
	// The relay has connections of its own, so that a pool emptied by slow requests does not hold up events.
	MaxConns         int           `env:"DATABASE_MAX_CONNS" envDefault:"16" help:"connections for transactions of requests, at most"`
	PoolConns        int           `env:"DATABASE_POOL_CONNS" envDefault:"8" help:"connections for queries outside of them, at most"`
	RelayConns       int           `env:"DATABASE_RELAY_CONNS" envDefault:"3" help:"connections for the relay"`
	Compound         bool          `env:"DATABASE_COMPOUND_COMMIT" envDefault:"true" help:"mariadb: write events and commit in one statement; false behind a proxy that does not take BEGIN NOT ATOMIC"`
	AcquireTimeout   time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT" envDefault:"3s" help:"how long a request waits for a free connection before it fails as unavailable"`
	ConnectTimeout   time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"3s" help:"how long connecting may take"`
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT" envDefault:"5s" help:"how long a statement may take; MySQL, unlike MariaDB, limits only SELECT"`
	LockTimeout      time.Duration `env:"DATABASE_LOCK_TIMEOUT" envDefault:"2s" help:"how long a statement waits for a lock, in whole seconds"`
}

// Check reports every value that cannot be used. Files are read when the database is opened.
func (c Config) Check(bad func(key, problem string)) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("DATABASE_TLS_CERT", "certificate and key (DATABASE_TLS_KEY) go together: set both or none")
	}
	m, err := c.parse()
	switch {
	case err != nil: // not quoted: it may hold a password
		bad("DATABASE_URL", "must be mysql://user:password@host:port/database")
	case c.TLSCA+c.TLSCert != "" && m.TLSConfig != "" && m.TLSConfig != "true":
		bad("DATABASE_URL", "must not say tls="+m.TLSConfig+" where DATABASE_TLS_CA or DATABASE_TLS_CERT is set")
	}
}

// silence is how much longer than a statement may take an answer may take to arrive.
const silence = 5 * time.Second

// parse reads the URL.
func (c Config) parse() (*mysql.Config, error) {
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
	return m, nil
}

// options is c in the driver's terms.
func (c Config) options() (*mysql.Config, error) {
	if err := outbox.Problems(c); err != nil {
		return nil, err
	}
	m, err := c.parse()
	if err != nil {
		return nil, err
	}
	if err := c.secure(m); err != nil {
		return nil, err
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
	m.RejectReadOnly = true       // after a switchover the old primary is read-only: its connections go
	m.Logger = &mysql.NopLogger{} // errors are returned; the driver would print them too
	return m, nil
}

// secure asks for TLS where the connection leaves this host, unless the URL says what else.
func (c Config) secure(m *mysql.Config) error {
	host, _, err := net.SplitHostPort(m.Addr)
	local := m.Net == "unix" || err == nil && outbox.Loopback(host)
	switch {
	case c.TLSCA == "" && c.TLSCert == "":
		if m.TLSConfig == "" && !local {
			m.TLSConfig = "true"
		}
		return nil
	case err != nil:
		return errURL
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return fmt.Errorf("DATABASE_TLS_CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("DATABASE_TLS_CA: no certificate in %s", c.TLSCA)
		}
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return fmt.Errorf("DATABASE_TLS_CERT: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	m.TLS = t
	return nil
}

// errURL does not quote the URL, and with it the password.
var errURL = errors.New("parse DATABASE_URL: want mysql://user:password@host:port/database")
