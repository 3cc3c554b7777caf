// Command generator measures svcgen beside the tools people would use instead: buf, protoc and goctl, and its second runs beside
// those of gqlgen.
//
// It writes protos of several sizes into a temporary folder, builds svcgen, and runs every tool on the same files:
// interleaved, in an order shuffled anew for each round, so that whatever else the machine does hits all of them.
// Each run is a whole process; wall time, user + system time and peak memory come from the kernel. It prints
// medians with their range and compares them with the goals in goals.go.
//
//	go run ./bench/generator [--rounds N] [--cases 1x5,1x100] [--json] [--keep]
//
// A tool that is not on PATH is left out and said to be missing. It installs nothing and needs no network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds int
	seed   uint64
	cases  string
	svcgen string
	json   bool
	keep   bool
}

func parse(args []string, errOut io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("generator", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.IntVar(&o.rounds, "rounds", 5, "runs of each tool and size; at most 3 for 1,000 methods, and 2 for more")
	flags.Uint64Var(&o.seed, "seed", 1, "of the order of runs")
	flags.StringVar(&o.cases, "cases", "", "sizes to run, such as 1x5,1x100; all when empty")
	flags.StringVar(&o.svcgen, "svcgen", "", "binary to measure; built from this module when empty")
	flags.BoolVar(&o.json, "json", false, "print every run as JSON")
	flags.BoolVar(&o.keep, "keep", false, "keep the temporary folder")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.rounds < 1 {
		return o, fmt.Errorf("unexpected argument %q, or fewer than one round", flags.Args())
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	sizes, err := choose(o.cases)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "svcgen-bench-")
	if err != nil {
		return err
	}
	if o.keep {
		_, _ = fmt.Fprintln(progress, "folder:", work)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	}
	if o.svcgen == "" {
		_, _ = fmt.Fprintln(progress, "building svcgen")
		o.svcgen = filepath.Join(work, "svcgen")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.svcgen,
			// As a release: a development build does not trust its own version, and always looks closer.
			"-ldflags", "-X github.com/svcgen/svcgen/generator/cli.release=v0.0.0-bench", "github.com/svcgen/svcgen")
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build svcgen: %w\n%s", err, text)
		}
	}
	b := bench{work: work, tools: find(o.svcgen), rounds: o.rounds, seed: o.seed, progress: progress}
	measured := b.all(ctx, sizes)
	if o.json { // what was measured before an interrupt is worth having
		return errors.Join(measured, b.writeJSON(out))
	}
	b.writeText(out)
	return measured
}

// choose picks sizes by name.
func choose(names string) ([]size, error) {
	if names == "" {
		return sizes, nil
	}
	var chosen []size
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(sizes, func(s size) bool { return s.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("no case %q; there are %v", name, sizes)
		}
		chosen = append(chosen, sizes[i])
	}
	return chosen, nil
}
