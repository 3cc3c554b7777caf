package rig

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
)

// StartPostgres starts a private PostgreSQL with an empty database. fsync is on, as in production.
func StartPostgres(ctx context.Context) (*Server, error) { return startPostgres(ctx, 0) }

// StartPostgresOn is StartPostgres with its data on a disk of its own, of so many bytes, which a test can fill: Dir()/data
// is a file system in memory. Only root may mount one.
func StartPostgresOn(ctx context.Context, bytes int64) (*Server, error) { return startPostgres(ctx, bytes) }

func startPostgres(ctx context.Context, disk int64) (*Server, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	s, err := newServer("postgres", func(addr string) string {
		return "postgres://svcgen:svcgen@" + addr + "/postgres?sslmode=disable"
	})
	if err != nil {
		return nil, err
	}
	if err := giveTo(s.dir, "postgres"); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	data := filepath.Join(s.dir, "data")
	if disk > 0 {
		if err := mountMemory(data, disk); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		s.unmount = func() error { return unmount(data) }
		if err := giveTo(data, "postgres"); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	err = run(ctx, command{
		path: filepath.Join(bin, "initdb"), user: "postgres", env: []string{"LC_ALL=C.UTF-8"},
		args: []string{"-D", data, "-U", "svcgen", "--auth=trust", "--encoding=UTF8", "--no-sync"},
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.command = command{
		path: filepath.Join(bin, "postgres"), user: "postgres", env: []string{"LC_ALL=C.UTF-8"},
		args: []string{
			"-D", data, "-p", portOf(s.addr), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
			"-c", "max_connections=200", "-c", "wal_level=logical",
		},
		ready: "database system is ready to accept connections", quits: true,
	}
	return s.launch(ctx)
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
