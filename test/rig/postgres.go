package rig

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sort"
)

// StartPostgres starts a private PostgreSQL with an empty database. fsync is on, as in production.
func StartPostgres(ctx context.Context) (*Server, error) { return startPostgres(ctx, false, 0) }

// StartPostgresTLS starts one that takes TLS and SecureUser with a password only.
func StartPostgresTLS(ctx context.Context) (*Server, error) { return startPostgres(ctx, true, 0) }

// StartPostgresOn is StartPostgres with its data on a disk of its own, of so many bytes, which a test can fill: Dir()/data
// is a file system in memory. Only root may mount one.
func StartPostgresOn(ctx context.Context, bytes int64) (*Server, error) {
	return startPostgres(ctx, false, bytes)
}

func startPostgres(ctx context.Context, secure bool, disk int64) (*Server, error) {
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
	if disk > 0 {
		if err := mountMemory(data, disk); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		s.unmount = func() error { return unmount(data) }
		if err := giveTo(data, postgresUser); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	err = run(ctx, command{
		path: filepath.Join(bin, "initdb"), user: postgresUser, env: []string{"LC_ALL=C.UTF-8"},
		args: []string{"-D", data, "-U", "svcgen", "--auth=trust", "--encoding=UTF8", "--no-sync"},
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	var more []string
	if secure {
		if more, err = s.securePostgres(ctx, bin, data); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	s.command = command{
		path: filepath.Join(bin, "postgres"), user: postgresUser, env: []string{"LC_ALL=C.UTF-8"},
		args: append([]string{
			"-D", data, "-p", portOf(s.addr), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
			"-c", "max_connections=200", "-c", "wal_level=logical",
		}, more...),
		ready: "database system is ready to accept connections", quits: true,
	}
	return s.launch(ctx)
}

// securePostgres gives the user a password and turns plaintext away, and returns the server's further arguments.
func (s *Server) securePostgres(ctx context.Context, bin, data string) ([]string, error) {
	if err := s.certify(postgresUser); err != nil {
		return nil, err
	}
	password := filepath.Join(s.dir, "password.sql")
	if err := writeFile(password, "ALTER USER "+SecureUser+" PASSWORD '"+SecurePassword+"';\n", postgresUser); err != nil {
		return nil, err
	}
	err := run(ctx, command{path: "/bin/sh", user: postgresUser, args: []string{"-c", `exec "$0" --single -D "$1" postgres <"$2"`, filepath.Join(bin, "postgres"), data, password}})
	if err != nil {
		return nil, err
	}
	hba := filepath.Join(data, "pg_hba.conf")
	if err := writeFile(hba, "hostssl all "+SecureUser+" 127.0.0.1/32 scram-sha-256\n", postgresUser); err != nil {
		return nil, err
	}
	return []string{"-c", "ssl=on", "-c", "ssl_cert_file=" + s.tlsFile("cert.pem"), "-c", "ssl_key_file=" + s.tlsFile("key.pem")}, nil
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
