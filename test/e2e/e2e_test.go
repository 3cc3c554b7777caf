// Package e2e proves what a user relies on, from outside: svcgen makes the examples, the go command builds them, and
// their binaries run against real servers while raw clients watch the brokers. It knows an emitted service only by its
// command line, its ports, its environment and its tables.
//
// What goes wrong is done to it: replicas come and go, brokers and databases are killed. It is not the place for
// single parts; the stores and brokers have conformance suites of their own.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/subject"
)

// outage is how long a broker is gone in tests.
var outage = flag.Duration("outage", 10*time.Second, "how long a broker is gone")

// patience is how long something may take that is to happen soon, on a machine that has other things to do.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "svcgen-e2e-")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	for name, e := range examples {
		e.name, e.dir = name, filepath.Join(dir, name)
	}
	return m.Run()
}

// examples are built once, by the first test that needs them: `go test` gives tests of a package no common owner.
var examples = map[string]*example{"orders": {}, "payments": {}, "inventory": {}}

// example is an emitted service.
type example struct {
	*subject.Tree
	name, dir string
	once      sync.Once
	err       error

	suffix string // of its topics: the brokers are shared with other test runs
}

func built(t *testing.T, name string) *example {
	t.Helper()
	if testing.Short() {
		t.Skip("builds whole services and starts servers")
	}
	e := examples[name]
	// The first test's context must not decide for those that come after it.
	e.once.Do(func() { e.err = e.build(context.WithoutCancel(t.Context())) })
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e
}

// topicSuffix is the same for all examples, for they talk to each other.
var topicSuffix = sync.OnceValue(func() string { return "_" + rig.Unique("e2e") })

func (e *example) build(ctx context.Context) error {
	e.suffix = topicSuffix()
	var replace []string
	for _, topic := range []string{"orders", "payments", "inventory"} {
		replace = append(replace, "topic: "+topic, "topic: "+topic+e.suffix)
	}
	tree, err := subject.Emit(ctx, filepath.Join(e.dir, "tree"), os.DirFS(filepath.Join("..", "..", "examples", e.name)), replace...)
	if err != nil {
		return err
	}
	e.Tree = tree
	return e.Build(ctx, e.bin())
}

func (e *example) bin() string { return filepath.Join(e.dir, "bin", e.name) }

// topic is where the example's events of the topic called name in its manifest go.
func (e *example) topic(name string) string { return name + e.suffix }

// command runs one of the binary's commands to its end and returns what it printed.
func (e *example) command(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := e.Command(ctx, e.bin(), env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually asks check until it is content and returns how long that took. What check says last is the failure.
func eventually(t *testing.T, limit time.Duration, what string, check func(context.Context) error) time.Duration {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("not asked")
	for {
		if err := check(ctx); err == nil {
			return time.Since(start)
		} else if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v: %v", what, limit, last)
		case <-tick.C:
		}
	}
}
