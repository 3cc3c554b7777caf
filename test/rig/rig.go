// Package rig runs real servers for tests: PostgreSQL, MariaDB, RabbitMQ and Apache Kafka (KRaft, one or
// three nodes), and PgBouncer, each on free loopback ports with its data in a temporary folder.
//
// A test asks for a server (Postgres, MySQL, RabbitMQ, Kafka) and gets a URL: of the server named in the
// environment when `rig run` or a person has set one, else of one that this process starts and shares among its
// tests. A test that wants to hurt a server starts a private one (StartPostgres, …) and may Kill, Pause, Restart
// it, or cut the wire through its Proxy. Whatever the rig starts ends with the process that asked for it, also
// when that is killed; it never touches a server it did not start.
//
// It does not create topics or schemas, and it is not part of what svcgen emits.
package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/svcgen/svcgen/test/rig/tcpproxy"
)

// The environment variables by which a server that already runs is handed to tests.
const (
	EnvPostgres = "SVCGEN_TEST_POSTGRES_URL"  // postgres://user:password@host:port/database
	EnvMySQL    = "SVCGEN_TEST_MYSQL_URL"     // a go-sql-driver DSN
	EnvRabbitMQ = "SVCGEN_TEST_RABBITMQ_URL"  // amqp://user:password@host:port/vhost
	EnvKafka    = "SVCGEN_TEST_KAFKA_BROKERS" // host:port,host:port
)

// ErrUnavailable says that a server cannot be had on this machine; the text names what is missing.
var ErrUnavailable = errors.New("server not available on this machine")

// Server is one server process that the rig started.
type Server struct {
	name    string
	addr    string
	url     func(addr string) string
	proxy   *tcpproxy.Proxy
	dir     string
	command command // starts the server on data that is already prepared
	keeper  *keeper
	claims  []io.Closer  // of its ports
	unmount func() error // nil unless its data is on a disk of its own

	mu   sync.Mutex
	proc *process
}

// URL leads straight to the server.
func (s *Server) URL() string { return s.url(s.addr) }

// ProxyURL leads to the server through its Proxy.
func (s *Server) ProxyURL() string { return s.url(s.proxy.Addr()) }

// Proxy is the wire that ProxyURL runs over; cut, stall or slow it there.
func (s *Server) Proxy() *tcpproxy.Proxy { return s.proxy }

// Dir holds the server's data and its log (server.log).
func (s *Server) Dir() string { return s.dir }

// Start starts the server on the data it has, and returns when it answers.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil && s.proc.alive() {
		return nil
	}
	proc, err := startProcess(ctx, s.keeper, s.dir, s.command)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	s.proc = proc
	return nil
}

// Kill ends the whole process tree with SIGKILL, as a crash does. Data stays.
func (s *Server) Kill() error { return s.withProcess((*process).kill) }

// Pause stops the process tree with SIGSTOP: connections stay open and nothing answers.
func (s *Server) Pause() error { return s.withProcess((*process).pause) }

// Resume ends a Pause.
func (s *Server) Resume() error { return s.withProcess((*process).resume) }

// Restart kills the server and starts it again on its data and ports.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.proc != nil {
		err = s.proc.stop()
	}
	if s.unmount != nil {
		err = errors.Join(err, s.unmount())
		s.unmount = nil
	}
	for _, claim := range s.claims {
		err = errors.Join(err, claim.Close())
	}
	s.claims = nil
	return errors.Join(err, s.proxy.Close(), os.RemoveAll(s.dir), s.keeper.close())
}

func (s *Server) withProcess(do func(*process) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return fmt.Errorf("%s is not running", s.name)
	}
	return do(s.proc)
}

// newServer lays out a server: its folder, its address, its proxy and its keeper. Nothing runs yet.
func newServer(name string, url func(string) string) (*Server, error) {
	dir, err := os.MkdirTemp("", "svcgen-rig-"+name+"-")
	if err != nil {
		return nil, err
	}
	// Servers that refuse root run as a user of their own, who must be able to pass through.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	s := &Server{name: name, url: url, dir: dir}
	if s.addr, err = s.claimAddr(); err != nil {
		return nil, err
	}
	if s.proxy, err = tcpproxy.Listen("127.0.0.1:0", s.addr); err != nil {
		return nil, err
	}
	if s.keeper, err = newKeeper(dir); err != nil {
		return nil, errors.Join(err, s.proxy.Close())
	}
	return s, nil
}

// launch starts s for the first time; a server that fails to start is removed again.
func (s *Server) launch(ctx context.Context) (*Server, error) {
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}
