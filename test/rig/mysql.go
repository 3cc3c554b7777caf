package rig

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// StartMySQL starts a private MariaDB with an empty database. Every commit is flushed, as in production.
func StartMySQL(ctx context.Context) (*Server, error) { return startMySQL(ctx, false) }

// StartMySQLTLS starts one that takes TLS and SecureUser with a password only.
func StartMySQLTLS(ctx context.Context) (*Server, error) { return startMySQL(ctx, true) }

func startMySQL(ctx context.Context, secure bool) (*Server, error) {
	daemon, err := lookPath("mariadbd")
	if err != nil {
		return nil, fmt.Errorf("%w: MariaDB (apt-get install mariadb-server-core)", ErrUnavailable)
	}
	install, err := lookPath("mariadb-install-db")
	if err != nil {
		return nil, fmt.Errorf("%w: mariadb-install-db (apt-get install mariadb-server-core)", ErrUnavailable)
	}
	if _, err := lookPath("my_print_defaults"); err != nil {
		return nil, fmt.Errorf("%w: my_print_defaults, which mariadb-install-db runs (apt-get install mariadb-client-core)", ErrUnavailable)
	}
	s, err := newServer("mysql", func(addr string) string {
		return "svcgen:svcgen@tcp(" + addr + ")/svcgen?parseTime=true"
	})
	if err != nil {
		return nil, err
	}
	if err := giveTo(s.dir, mysqlUser); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	data := filepath.Join(s.dir, "data")
	err = run(ctx, command{
		path: install, user: mysqlUser,
		args: []string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + s.dir, "--skip-test-db", "--auth-root-authentication-method=normal"},
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	sql, more := mysqlInit, []string(nil)
	if secure {
		if err := s.certify(mysqlUser); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		sql = strings.ReplaceAll(sql, "BY 'svcgen'", "BY '"+SecurePassword+"'")
		more = []string{"--ssl-cert=" + s.tlsFile("cert.pem"), "--ssl-key=" + s.tlsFile("key.pem"), "--require-secure-transport=ON"}
	}
	initFile := filepath.Join(s.dir, "init.sql")
	if err := writeFile(initFile, sql, mysqlUser); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.command = command{
		path: daemon, user: mysqlUser,
		args: append([]string{
			"--no-defaults", "--datadir=" + data, "--tmpdir=" + s.dir, "--port=" + portOf(s.addr), "--bind-address=127.0.0.1",
			"--socket=" + filepath.Join(s.dir, "s"), "--pid-file=" + filepath.Join(s.dir, "pid"),
			"--init-file=" + initFile, "--skip-name-resolve", "--max-connections=300",
			"--innodb-buffer-pool-size=128M", "--innodb-flush-log-at-trx-commit=1",
			"--character-set-server=utf8mb4", "--log-bin-trust-function-creators=1",
		}, more...),
		ready: "ready for connections",
	}
	return s.launch(ctx)
}

// mysqlUser runs the server when we are root, which it refuses; the core package brings no user of its own.
const mysqlUser = "nobody"

// mysqlInit is run at every start, so it repeats without harm. The server executes one statement per line.
const mysqlInit = `CREATE DATABASE IF NOT EXISTS svcgen;
CREATE USER IF NOT EXISTS 'svcgen'@'127.0.0.1' IDENTIFIED BY 'svcgen';
CREATE USER IF NOT EXISTS 'svcgen'@'localhost' IDENTIFIED BY 'svcgen';
GRANT ALL PRIVILEGES ON *.* TO 'svcgen'@'127.0.0.1' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON *.* TO 'svcgen'@'localhost' WITH GRANT OPTION;
`
