package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// command describes how a server is run and how it says that it is ready.
type command struct {
	path  string
	args  []string
	env   []string // replaces the environment when not nil
	user  string   // run as this user when we are root
	ready string   // part of the log line that means: accepting connections
	quits bool     // ends in order, and at once, on SIGQUIT
}

// startTimeout is generous: a loaded two-core machine takes half a minute for RabbitMQ.
const startTimeout = 3 * time.Minute

// process is one running server with its process group.
type process struct {
	cmd    *exec.Cmd
	pid    int // also the id of its process group
	quits  bool
	keeper *keeper
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

// startProcess runs c in a process group of its own and waits until it is ready.
func startProcess(ctx context.Context, k *keeper, dir string, c command) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	logFile, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	watch := &lineWatch{log: logFile, want: []byte(c.ready), seen: make(chan struct{})}
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = dir
	cmd.Env = c.env
	cmd.Stdout, cmd.Stderr = watch, watch
	// A grandchild may hold the pipe after the server is dead.
	cmd.WaitDelay = 2 * time.Second
	if err := own(cmd, c.user); err != nil {
		return nil, errors.Join(err, logFile.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, logFile.Close())
	}
	p := &process{cmd: cmd, pid: cmd.Process.Pid, quits: c.quits, keeper: k, exited: make(chan struct{})}
	k.add(-p.pid)
	go func() {
		p.err = errors.Join(cmd.Wait(), logFile.Close())
		k.remove(-p.pid)
		close(p.exited)
	}()
	if err := p.awaitReady(ctx, watch.seen); err != nil {
		return nil, errors.Join(fmt.Errorf("%w\n%s", err, tail(logFile.Name(), 15)), p.kill())
	}
	return p, nil
}

func (p *process) awaitReady(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-p.exited:
		return fmt.Errorf("exited before it was ready: %w", p.err)
	case <-ctx.Done():
		return fmt.Errorf("not ready: %w", ctx.Err())
	}
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// quitTimeout is how long a server may take to end in order before it is killed.
const quitTimeout = 20 * time.Second

// stop ends the server for good. PostgreSQL leaves a System V segment behind when it is merely killed.
func (p *process) stop() error {
	if p.quits && p.alive() && p.resume() == nil && quitProcess(p.pid) == nil {
		select {
		case <-p.exited:
		case <-time.After(quitTimeout):
		}
	}
	return p.kill()
}

// kill ends the tree with SIGKILL and waits until all of it is gone.
func (p *process) kill() error {
	if !p.alive() {
		return nil
	}
	pids, err := killTree(p.pid)
	if err != nil && p.alive() {
		return err
	}
	<-p.exited
	return awaitDeath(pids)
}

// pause also tells the keeper of each process it stops: a stopped one does not notice that its parent has died.
func (p *process) pause() error {
	pids, err := pauseTree(p.pid)
	p.keeper.add(pids...)
	return err
}

func (p *process) resume() error {
	pids, err := resumeTree(p.pid)
	p.keeper.remove(pids...)
	return err
}

// lineWatch writes a server's output to its log and notices the line that says it is ready.
type lineWatch struct {
	log  *os.File
	want []byte
	seen chan struct{}

	mu   sync.Mutex
	rest []byte // the unfinished last line
	done bool
}

func (w *lineWatch) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.rest = append(w.rest, b...)
		if bytes.Contains(w.rest, w.want) {
			w.done, w.rest = true, nil
			close(w.seen)
		} else if i := bytes.LastIndexByte(w.rest, '\n'); i >= 0 {
			w.rest = append([]byte(nil), w.rest[i+1:]...)
		}
	}
	return w.log.Write(b)
}

// tail returns the last n lines of a file for an error message.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// run executes a helper program (initdb, apt-get) and returns its output in the error.
func run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env = c.env
	if err := own(cmd, c.user); err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", c.path, strings.Join(c.args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
