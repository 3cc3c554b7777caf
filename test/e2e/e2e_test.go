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
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/reconcile"
	"github.com/svcgen/svcgen/test/rig"
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
	name, dir string
	once      sync.Once
	err       error

	suffix string // of its topics: the brokers are shared with other test runs
	files  *protoregistry.Files
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
	input := filepath.Join(e.dir, "input")
	if err := os.CopyFS(input, os.DirFS(filepath.Join("..", "..", "examples", e.name))); err != nil {
		return err
	}
	path := filepath.Join(input, "svcgen.yaml")
	manifest, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, topic := range []string{"orders", "payments", "inventory"} {
		manifest = []byte(strings.ReplaceAll(string(manifest), "topic: "+topic, "topic: "+topic+e.suffix))
	}
	if err := os.WriteFile(path, manifest, 0o600); err != nil {
		return err
	}
	out, err := generator.Generate(ctx, generator.Input{Manifest: path, Version: "devel"})
	if err != nil {
		return fmt.Errorf("emit %s: %w", e.name, err)
	}
	if _, err := reconcile.CreateTree(e.tree(), out.Files, reconcile.Options{Version: "devel"}); err != nil {
		return fmt.Errorf("emit %s: %w", e.name, err)
	}
	var set descriptorpb.FileDescriptorSet
	for _, f := range out.Service.Protos {
		fd, err := f.Descriptor.Message()
		if err != nil {
			return fmt.Errorf("descriptors of %s: %w", e.name, err)
		}
		set.File = append(set.File, fd)
	}
	if e.files, err = protodesc.NewFiles(&set); err != nil {
		return fmt.Errorf("descriptors of %s: %w", e.name, err)
	}
	return e.goTool(ctx, nil, "build", "-o", e.bin(), "./cmd/"+e.name)
}

func (e *example) tree() string { return filepath.Join(e.dir, "tree") }
func (e *example) bin() string  { return filepath.Join(e.dir, "bin", e.name) }

// topic is where the example's events of the topic called name in its manifest go.
func (e *example) topic(name string) string { return name + e.suffix }

// env spells settings as the example's environment variables: DATABASE_URL=… is ORDERS_DATABASE_URL=….
func (e *example) env(settings ...string) []string {
	vars := make([]string, len(settings))
	for i, s := range settings {
		vars[i] = strings.ToUpper(e.name) + "_" + s
	}
	return vars
}

// goTool runs go in the emitted tree, as its user would.
func (e *example) goTool(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = e.tree()
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: go %s: %w\n%s", e.name, strings.Join(args, " "), err, out)
	}
	return nil
}

// command runs one of the binary's commands to its end and returns what it printed.
func (e *example) command(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.bin(), args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", e.name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
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
