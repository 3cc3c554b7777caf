package app

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests of signals run the service as a process: this binary again, as a child.
func isChild() bool { return os.Getenv("APP_TEST_CHILD") != "" }

func runChild() { os.Exit(Main(nil, sampleDeps)) }

type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, env ...string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), "APP_TEST_CHILD=1", "SAMPLE_GRPC_ADDR=127.0.0.1:0", "SAMPLE_ADMIN_ADDR=127.0.0.1:0",
		"SAMPLE_DATABASE_URL="+filepath.Join(t.TempDir(), "child.db"))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, lines: bufio.NewScanner(out)}
	c.await(t, `"msg":"ready"`)
	return c
}

// await reads the child's log up to a line that contains text.
func (c *child) await(t *testing.T, text string) {
	t.Helper()
	var seen []string
	for c.lines.Scan() {
		seen = append(seen, c.lines.Text())
		if strings.Contains(c.lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the process ended without %q in its log:\n%s", text, strings.Join(seen, "\n"))
}

func (c *child) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait reads the log to its end and returns how the process ended.
func (c *child) wait() error {
	for c.lines.Scan() {
		continue
	}
	return c.cmd.Wait()
}

func TestSignalEndsInOrder(t *testing.T) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			c := startChild(t, "SAMPLE_DRAIN_DELAY=10ms")
			c.signal(t, s)
			c.await(t, `"msg":"stopped"`)
			if err := c.wait(); err != nil {
				t.Errorf("exit: %v", err)
			}
		})
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	c := startChild(t, "SAMPLE_DRAIN_DELAY=1h")
	c.signal(t, os.Interrupt)
	c.await(t, `"msg":"stopping`)
	start := time.Now()
	c.signal(t, os.Interrupt)
	err := c.wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitInterrupted {
		t.Errorf("the process ended with %v, want exit status %d", err, exitInterrupted)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
