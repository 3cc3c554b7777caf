package store

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Config says where the database is and how much of it this process may use.
type Config struct {
	URL     string `env:"DATABASE_URL" envDefault:"postgres://localhost:5432/{name}" help:"connection URL, or keywords and values, as libpq takes them; sslmode is verify-full for other hosts unless it says so"`
	Migrate bool   `env:"DATABASE_MIGRATE" envDefault:"false" help:"apply migrations at start"`
	// The relay has connections of its own, so that a pool emptied by slow requests does not hold up events.
	MaxConns         int           `env:"DATABASE_MAX_CONNS" envDefault:"16" help:"connections for requests, at most"`
	MinConns         int           `env:"DATABASE_MIN_CONNS" envDefault:"0" help:"connections for requests, kept open"`
	RelayConns       int           `env:"DATABASE_RELAY_CONNS" envDefault:"3" help:"connections for the relay, beside one that listens"`
	AcquireTimeout   time.Duration `env:"DATABASE_ACQUIRE_TIMEOUT" envDefault:"3s" help:"how long a request waits for a free connection before it fails as unavailable"`
	ConnectTimeout   time.Duration `env:"DATABASE_CONNECT_TIMEOUT" envDefault:"3s" help:"how long connecting may take"`
	StatementTimeout time.Duration `env:"DATABASE_STATEMENT_TIMEOUT" envDefault:"5s" help:"how long a statement may take"`
	LockTimeout      time.Duration `env:"DATABASE_LOCK_TIMEOUT" envDefault:"2s" help:"how long a statement waits for a lock"`
	IdleInTxTimeout  time.Duration `env:"DATABASE_IDLE_IN_TX_TIMEOUT" envDefault:"30s" help:"how long a transaction may be quiet while it holds locks"`
	// Off unless asked for: calls that share a transaction hold each other's row locks until it ends.
	ShareCommit int `env:"DATABASE_SHARE_COMMIT" envDefault:"0" help:"how many requests may share a transaction when all their statements are queued; 0: every one alone"`
	// Behind a pooler there are no session settings, no LISTEN, no session locks, no floor (queue.go).
	Pooler bool `env:"DATABASE_POOLER" envDefault:"false" help:"set behind a pooler in transaction mode (PgBouncer); set the timeouts on the role then"`
}

// Check reports a URL that cannot be used. It does not quote it, and with it the password.
func (c Config) Check(bad func(key, problem string)) {
	if _, err := c.parse(); err != nil {
		bad("DATABASE_URL", "must be postgres://user:password@host:port/database, or keywords and values as libpq takes them; the files it names must be there")
	}
}

// parse reads the URL. A server on another host must show a certificate that verifies, unless the URL or PGSSLMODE
// says what else: the driver's own default takes plaintext when the server, or whoever answers for it, offers no more.
func (c Config) parse() (*pgxpool.Config, error) {
	p, err := pgxpool.ParseConfig(c.URL)
	if err != nil || strings.Contains(c.URL, "sslmode") || os.Getenv("PGSSLMODE") != "" || local(p.ConnConfig.Config) {
		return p, err
	}
	if u, err := url.Parse(c.URL); err == nil && u.Scheme != "" {
		q := u.Query()
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
		return pgxpool.ParseConfig(u.String())
	}
	return pgxpool.ParseConfig(c.URL + " sslmode=verify-full")
}

// local reports whether no way to the server leaves this host.
func local(c pgconn.Config) bool {
	hosts := []string{c.Host}
	for _, f := range c.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	for _, host := range hosts {
		if !strings.HasPrefix(host, "/") && !strings.HasPrefix(host, "@") && !outbox.Loopback(host) {
			return false
		}
	}
	return true
}

// business is the pool configuration of InTx.
func (c Config) business() (*pgxpool.Config, error) {
	p, err := c.base()
	if err != nil {
		return nil, err
	}
	p.MaxConns, p.MinConns = size(max(c.MaxConns, 1)), size(c.MinConns)
	return p, nil
}

// relay is the pool configuration of the outbox queue. Its commits need not wait for the disk: a lost delete is
// a duplicate, which consumers drop by id. Its pages must be read in the order of the index and end at the limit
// also when the table was empty at the last ANALYZE, so the plans that read all and sort are off; and the costs
// that puts on small tables must not start the JIT compiler, which takes longer than any of these statements.
func (c Config) relay() (*pgxpool.Config, error) {
	p, err := c.base()
	if err != nil {
		return nil, err
	}
	p.MaxConns = size(max(c.RelayConns, 1))
	if !c.Pooler {
		for _, name := range []string{"synchronous_commit", "enable_seqscan", "enable_bitmapscan", "jit"} {
			p.ConnConfig.RuntimeParams[name] = "off"
		}
		p.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed" // whatever the database's own is
	}
	return p, nil
}

func (c Config) base() (*pgxpool.Config, error) {
	p, err := c.parse()
	if err != nil {
		return nil, outbox.Problems(c) // in place of one that quotes
	}
	p.ConnConfig.ConnectTimeout = c.ConnectTimeout
	cancelAfter := time.Duration(0)
	if c.Pooler {
		cancelAfter = patience
	}
	p.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &canceller{conn: conn, delay: cancelAfter}
	}
	if c.Pooler {
		if p.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			p.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
		return p, nil
	}
	setDefault(p.ConnConfig.RuntimeParams, "statement_timeout", c.StatementTimeout)
	setDefault(p.ConnConfig.RuntimeParams, "lock_timeout", c.LockTimeout)
	setDefault(p.ConnConfig.RuntimeParams, "idle_in_transaction_session_timeout", c.IdleInTxTimeout)
	return p, nil
}

// patience is how long a statement whose caller has gone may run on behind a pooler before it is cancelled there.
// A cancel request takes a way of its own, and poolers have had trouble with it: PgBouncer before 1.18 could cancel
// the statement of somebody else, and its 1.18 to 1.20 could crash. So most statements end by themselves first.
const patience = 2 * time.Second

func size(n int) int32 { return int32(min(n, math.MaxInt32)) }

// setDefault leaves what the URL already says.
func setDefault(params map[string]string, name string, d time.Duration) {
	if _, ok := params[name]; !ok {
		params[name] = fmt.Sprint(d.Milliseconds())
	}
}
