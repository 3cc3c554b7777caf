package rig

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
)

// StartPostgres starts a private PostgreSQL with an empty database. fsync is on, as in production.
func StartPostgres(ctx context.Context) (*Server, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	s, err := newServer("postgres", postgresURL)
	if err != nil {
		return nil, err
	}
	if err := giveTo(s.dir, postgresUser); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	data := filepath.Join(s.dir, "data")
	err = run(ctx, command{
		path: filepath.Join(bin, "initdb"), user: postgresUser, env: []string{"LC_ALL=C.UTF-8"},
		args: []string{"-D", data, "-U", "svcgen", "--auth=trust", "--encoding=UTF8", "--no-sync"},
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.command = command{
		path: filepath.Join(bin, "postgres"), user: postgresUser, env: []string{"LC_ALL=C.UTF-8"},
		args: []string{
			"-D", data, "-p", portOf(s.addr), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
			"-c", "max_connections=200", "-c", "wal_level=logical",
		},
		ready: "database system is ready to accept connections", quits: true,
	}
	return s.launch(ctx)
}

// postgresUser runs the server when we are root, which it refuses.
const postgresUser = "postgres"

func postgresURL(addr string) string {
	return "postgres://svcgen:svcgen@" + addr + "/postgres?sslmode=disable"
}

// postgresBin finds the server's programs: Debian keeps them out of the path, one folder per version.
func postgresBin() (string, error) {
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"} {
		found, err := filepath.Glob(filepath.Join(pattern, "initdb"))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			sort.Strings(found)
			return filepath.Dir(found[len(found)-1]), nil
		}
	}
	if path, err := lookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", fmt.Errorf("%w: PostgreSQL (apt-get install postgresql)", ErrUnavailable)
}
