// Command faults runs the fault suite outside of go test.
//
//	faults -list                      what there is
//	faults -fault NAME [-seed N]      one fault, or one again
//	faults -soak 2h [-ledger FILE]    random faults in random order; adds a line to the ledger
//
// It prints the verdict and exits 1 if anything is wrong. Histories are kept in the folder named by -keep.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/svcgen/svcgen/test/faults"
	"github.com/svcgen/svcgen/test/rig"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(errOut)
	list := flags.Bool("list", false, "list the faults")
	name := flags.String("fault", "", "the fault to run")
	soak := flags.Duration("soak", 0, "run random faults for so long")
	seed := flags.Uint64("seed", 0, "of the run; 0: a new one")
	ledger := flags.String("ledger", "", "file that a soak adds its line to")
	keep := flags.String("keep", filepath.Join(os.TempDir(), "svcgen-histories"), "folder for histories")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	var do func(context.Context, *faults.Lab) error
	switch {
	case *list:
		for _, f := range faults.Table() {
			_, _ = fmt.Fprintf(out, "%-28s %v\n", f.Name, f.Stack)
		}
		return 0
	case *name != "":
		f, err := faults.Find(*name)
		if err != nil {
			_, _ = fmt.Fprintln(errOut, err)
			return 2
		}
		do = func(ctx context.Context, lab *faults.Lab) error { return one(ctx, lab, f, *seed, *keep, out) }
	case *soak > 0:
		do = func(ctx context.Context, lab *faults.Lab) error {
			return soaked(ctx, lab, &faults.Soak{Seed: *seed}, *soak, *keep, *ledger, out)
		}
	default:
		flags.Usage()
		return 2
	}
	if err := inLab(ctx, *keep, errOut, do); err != nil {
		_, _ = fmt.Fprintln(errOut, "faults:", err)
		return 1
	}
	return 0
}

// inLab installs what is missing, makes a lab, and takes it down.
func inLab(ctx context.Context, keep string, errOut io.Writer, do func(context.Context, *faults.Lab) error) error {
	if err := rig.Install(ctx, errOut); err != nil {
		return err
	}
	if err := os.MkdirAll(keep, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "svcgen-faults-")
	if err != nil {
		return err
	}
	lab := faults.NewLab(dir)
	err = do(ctx, lab)
	return errors.Join(err, lab.Close(), os.RemoveAll(dir))
}

func one(ctx context.Context, lab *faults.Lab, f faults.Fault, seed uint64, keep string, out io.Writer) error {
	path := filepath.Join(keep, fmt.Sprintf("%s-%d.jsonl", f.Name, seed))
	v, err := lab.Run(ctx, f, seed, path)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%v\nseed %d, history %s\n", v, seed, path)
	return v.Err()
}

// header names the ledger's columns.
const header = "date\tcommit\tseed\tduration\tcalls\tcalls_ok\tfaults\tevents\tduplicates\tviolations\tvoid_rounds\trecovery_p50_s\trecovery_p99_s\n"

func soaked(ctx context.Context, lab *faults.Lab, s *faults.Soak, d time.Duration, keep, ledger string, out io.Writer) error {
	what := commit(ctx) // now: it may change while this runs
	_, _ = fmt.Fprintf(out, "soak of %v, seed %d, commit %s\n", d, s.Seed, what)
	err := s.Run(ctx, lab, keep, d, out)
	line := fmt.Sprintf("%s\t%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.2f\t%.2f\n", time.Now().UTC().Format(time.DateOnly), what, s.Seed,
		s.Took.Round(time.Second), s.Calls, s.OK, s.Faults, s.Events, s.Duplicates, s.Violations, s.Void,
		s.Percentile(50).Seconds(), s.Percentile(99).Seconds())
	_, _ = fmt.Fprint(out, header, line)
	if err != nil {
		return err // the last round is not in the figures: no line
	}
	if ledger != "" {
		if err := appendLine(ledger, line); err != nil {
			return err
		}
	}
	if len(s.Failed) > 0 {
		return fmt.Errorf("something is wrong with %s", strings.Join(s.Failed, ", "))
	}
	return nil
}

func appendLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // it is committed: public
	if err != nil {
		return err
	}
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end == 0 {
		line = header + line
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// commit names what was soaked, with a plus when that is not all.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+", "--exclude=*").Output()
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(out))
}
