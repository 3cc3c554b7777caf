package rig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
)

// StartPgBouncer starts a private PgBouncer in transaction mode in front of the PostgreSQL that server, a URL, leads
// to. It has few connections to a database: those who use it are on another one with every transaction. It drops the
// session settings that ignore names, separated by commas, and refuses clients that send others.
func StartPgBouncer(ctx context.Context, server, ignore string) (*Server, error) {
	bin, err := lookPath("pgbouncer")
	if err != nil {
		return nil, fmt.Errorf("%w: PgBouncer (apt-get install pgbouncer)", ErrUnavailable)
	}
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	s, err := newServer("pgbouncer", postgresURL)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	config := filepath.Join(s.dir, "pgbouncer.ini")
	err = writeFile(config, fmt.Sprintf(pgbouncerConfig, u.Hostname(), u.Port(), u.User.Username(), password, portOf(s.addr), ignore), postgresUser)
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.command = command{path: bin, user: postgresUser, args: []string{config}, ready: "process up"}
	return s.launch(ctx)
}

// pgbouncerConfig leads every name of a database to the server, as one user and whoever asks.
const pgbouncerConfig = `[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 1000
ignore_startup_parameters = %s
log_connections = 0
log_disconnections = 0
`
