//go:build unix

package rig

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("RIG_TEST_CHILD") != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// child starts a server, pauses it where told to, says where it is, and waits to be killed.
func child() int {
	start := map[string]func(context.Context) (*Server, error){"postgres": StartPostgres, "mysql": StartMySQL}
	name, paused := strings.CutSuffix(os.Getenv("RIG_TEST_CHILD"), " paused")
	s, err := start[name](context.Background())
	if err == nil && paused {
		err = s.Pause()
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "error", err)
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, s.Dir())
	select {}
}

func TestServersEndWithTheProcessThatStartedThem(t *testing.T) {
	Private(t, StartPostgres) // skips or fails where they cannot be had
	Private(t, StartMySQL)
	for _, what := range []string{"postgres", "postgres paused", "mysql"} {
		t.Run(what, func(t *testing.T) { testOrphan(t, what) })
	}
}

func testOrphan(t *testing.T, what string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "RIG_TEST_CHILD="+what)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(line)
	if strings.HasPrefix(dir, "error") {
		t.Fatalf("child says %q", line)
	}
	if len(mentioning(t, dir)) == 0 {
		t.Fatalf("nothing runs in %s before the kill", dir)
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says only that it was killed
	eventually(t, "server and data are gone", func() error {
		if left := mentioning(t, dir); len(left) > 0 {
			return fmt.Errorf("still running: %v", left)
		}
		if _, err := os.Stat(dir); err == nil {
			return errors.New("the data is still there")
		}
		return nil
	})
}

// TestFaults puts each server through what fault tests do to it.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(context.Context) (*Server, error)
	}{
		{"postgres", StartPostgres},
		{"mysql", StartMySQL},
		{"rabbitmq", func(ctx context.Context) (*Server, error) {
			r, err := StartRabbitMQ(ctx)
			if err != nil {
				return nil, err
			}
			if _, err := r.Ctl(ctx, "list_queues"); err != nil {
				return nil, errors.Join(err, r.Stop())
			}
			return r.Server, nil
		}},
		{"kafka", func(ctx context.Context) (*Server, error) {
			c, err := StartKafka(ctx, 1)
			if err != nil {
				return nil, err
			}
			return c.Nodes[0], nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Private(t, tt.start)
			if !answers(s.addr) {
				t.Fatal("does not answer after its start")
			}
			pids, err := tree(s.proc.pid)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Pause(); err != nil {
				t.Fatal(err)
			}
			if still := threadsNotIn("TZX", pids); len(still) > 0 {
				t.Errorf("these run while all is paused:\n%s", strings.Join(still, ""))
			}
			if err := s.Resume(); err != nil {
				t.Fatal(err)
			}
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			if still := threadsNotIn("ZX", pids); len(still) > 0 {
				t.Errorf("these run while all are dead:\n%s", strings.Join(still, ""))
			}
			eventually(t, "the port is closed", func() error {
				if answers(s.addr) {
					return errors.New("it still answers")
				}
				return nil
			})
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !answers(s.addr) {
				t.Fatal("does not answer after its restart")
			}
			if err := s.Pause(); err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err != nil { // also of a server that is paused
				t.Fatal(err)
			}
			if _, err := os.Stat(s.Dir()); err == nil {
				t.Error("data is left behind")
			}
		})
	}
}

func TestSharedDatabasesAreEmptyAndSeparate(t *testing.T) {
	for name, tt := range map[string]struct {
		driver string
		url    func(testing.TB) string
	}{"postgres": {"pgx", Postgres}, "mysql": {"mysql", MySQL}} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				db, err := sql.Open(tt.driver, tt.url(t))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := db.Exec("CREATE TABLE mine (id int)"); err != nil {
					t.Error(err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestNeedSkipsForAPersonAndFailsInCI(t *testing.T) {
	for _, tt := range []struct {
		ci   string
		err  error
		want string
	}{
		{"", nil, ""},
		{"true", nil, ""},
		{"", fmt.Errorf("%w: PostgreSQL", ErrUnavailable), "skip"},
		{"true", fmt.Errorf("%w: PostgreSQL", ErrUnavailable), "fatal"},
		{"", errors.New("does not start"), "fatal"},
	} {
		t.Setenv("CI", tt.ci)
		rec := &recorder{TB: t}
		Need(rec, tt.err)
		if rec.got != tt.want {
			t.Errorf("CI=%q, error %v: %q, want %q", tt.ci, tt.err, rec.got, tt.want)
		}
	}
}

// recorder notes how a test would have ended.
type recorder struct {
	testing.TB
	got string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.got = "skip" }
func (r *recorder) Fatalf(string, ...any) { r.got = "fatal" }

// mentioning lists the processes, but for the keeper, whose arguments name dir.
func mentioning(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "stat=,args=").Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) && !strings.Contains(line, "svcgen-rig-keeper") && !strings.HasPrefix(line, "Z") {
			found = append(found, line)
		}
	}
	return found
}

func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute) // of a loaded machine
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

// TestMySQLElsewhere starts one where only root may write beside its folder, as in a folder that somebody made for TMPDIR.
func TestMySQLElsewhere(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", dir)
	Private(t, StartMySQL)
}
