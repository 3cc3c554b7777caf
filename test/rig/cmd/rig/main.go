// Command rig gives tests and people real servers.
//
//	rig install        add what is missing (Debian packages as root, Kafka through Maven)
//	rig up             start one of each, print their URLs, keep them until Ctrl-C
//	rig run -- CMD …   start one of each, run CMD with their URLs in its environment, stop them
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/svcgen/svcgen/test/rig"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

const usage = "usage: rig install | rig up | rig run -- COMMAND [ARG …]"

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := dispatch(ctx, args, in, out, errOut)
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "rig:", err)
	}
	return code
}

func dispatch(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) (int, error) {
	switch {
	case len(args) == 1 && args[0] == "install":
		return code(rig.Install(ctx, errOut))
	case len(args) == 1 && args[0] == "up":
		return withFleet(ctx, errOut, func(f *rig.Fleet) (int, error) {
			for _, v := range f.Env() {
				_, _ = fmt.Fprintf(out, "export %q\n", v)
			}
			<-ctx.Done()
			return 0, nil
		})
	case len(args) >= 3 && args[0] == "run" && args[1] == "--":
		return withFleet(ctx, errOut, func(f *rig.Fleet) (int, error) {
			return child(ctx, args[2:], f.Env(), in, out, errOut)
		})
	}
	return 2, errors.New(usage)
}

// withFleet installs, starts, does and stops.
func withFleet(ctx context.Context, errOut io.Writer, do func(*rig.Fleet) (int, error)) (int, error) {
	if err := rig.Install(ctx, errOut); err != nil {
		return 1, err
	}
	began := time.Now()
	f, err := rig.StartFleet(ctx)
	if err != nil {
		return 1, err
	}
	_, _ = fmt.Fprintf(errOut, "rig: servers are up after %s\n", time.Since(began).Round(100*time.Millisecond))
	n, err := do(f)
	if stopErr := f.Stop(); stopErr != nil {
		return max(n, 1), errors.Join(err, stopErr)
	}
	return n, err
}

// child runs the command and hands on its exit code. An interrupt reaches it from here, so that it can clean up before
// the servers go.
func child(ctx context.Context, args, env []string, in io.Reader, out, errOut io.Writer) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return code(err)
}

func code(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}
