// Package app puts the service together: it opens what the service needs, starts everything in the right order,
// takes it down in the reverse one, and is the command line around that.
//
// In: the arguments and the user's function that makes the constructors' dependencies. Out: an exit code. Which
// services and consumers there are is in services.go; no other file here names one.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2

	exitInterrupted = 130 // by the second signal, in the middle of stopping
)

// Identity is what the manifest says of the service.
type Identity struct {
	Name     string   // sample
	Prefix   string   // of environment variables: SAMPLE_
	Services []string // full proto names of the gRPC services
}

// DepsFunc makes what the services' constructors are given.
type DepsFunc func(context.Context, *Runtime) (Deps, error)

// Main runs the service's command line and returns the exit code. The first interrupt ends what runs in order,
// the second one at once.
func Main(args []string, deps DepsFunc) int {
	signals := make(chan os.Signal, 2) // room for both, however soon the second comes
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, args, deps, terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()})
	}()
	select {
	case code := <-done:
		return code
	case <-signals:
		cancel()
	}
	select {
	case code := <-done:
		return code
	case <-signals:
		return exitInterrupted
	}
}

// terminal is where a command reads and writes.
type terminal struct {
	in      io.Reader
	out     io.Writer
	err     io.Writer
	environ []string
}

// usageError is an error in what was typed, as opposed to one in doing it.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

func run(ctx context.Context, args []string, deps DepsFunc, t terminal) int {
	id := identity()
	root := newRoot(id, deps, t)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(t.err, "%s: %v\n", id.Name, err)
		return exitUsage
	default:
		_, _ = fmt.Fprintf(t.err, "%s: %v\n", id.Name, err)
		return exitFailure
	}
}

// newRoot builds the command tree. The root serves: a container needs no argument.
func newRoot(id Identity, deps DepsFunc, t terminal) *cobra.Command {
	root := &cobra.Command{
		Use:           id.Name,
		Short:         "Serve " + id.Name,
		Args:          onlyCommands,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, id, deps, t)
		},
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err: err} })
	addSettings(root, id)
	root.AddCommand(
		callCommand(id, t), eventsCommand(id, t), outboxCommand(id, t),
		migrateCommand(id, t), healthcheckCommand(id, t), versionCommand(id, t),
	)
	return root
}

// onlyCommands refuses an argument of a command that has subcommands: most likely it is a misspelt one.
func onlyCommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		hint = fmt.Sprintf("; did you mean %s?", s[0])
	}
	return usagef("unknown command %q%s", args[0], hint)
}

func noArgument(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("expected no argument")
	}
	return nil
}
