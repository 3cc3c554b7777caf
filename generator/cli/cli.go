// Package cli is the svcgen command: flags, printing and exit codes; no generation logic.
//
// What a command was asked for goes to stdout, everything else to stderr. Errors are printed once, here, and are
// what package diag makes of them. Nothing is asked: every choice is a flag.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/svcgen/svcgen/generator/diag"
)

// Main runs svcgen with args and returns its exit code. See docs/exit-codes.md.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	collect()
	return guarded(stdout, stderr, func(a *app) error {
		root := a.root()
		root.SetArgs(args)
		root.SetIn(stdin)
		root.SetOut(stdout)
		root.SetErr(stderr)
		return root.ExecuteContext(context.Background())
	})
}

// guarded runs the command and turns what comes of it, a panic too, into an exit code.
func guarded(stdout, stderr io.Writer, run func(*app) error) (code int) {
	a := &app{stdout: stdout, stderr: stderr, format: string(diag.Text), version: version()}
	defer func() {
		if bug := recover(); bug != nil {
			a.reportBug(fmt.Sprint(bug), debug.Stack())
			code = exitBug
		}
	}()
	return a.exit(run(a))
}

// app is one run of the command.
type app struct {
	stdout, stderr io.Writer
	format         string // of errors
	version        string
	failed         error // the first write to stdout that failed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "svcgen",
		Short:         "Make a Go gRPC service from a proto and a small manifest, and keep it current",
		Version:       a.version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("no command given", "run svcgen --help for the commands; svcgen new makes a service")
			}
			hint := "run svcgen --help for the commands"
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return usage(fmt.Sprintf("no command %q", args[0]), hint)
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("svcgen {{.Version}}\n")
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err.Error(), "run "+cmd.CommandPath()+" --help for the flags")
	})
	root.PersistentFlags().StringVar(&a.format, "error-format", a.format, "how errors are printed: text, json or github-actions")
	offer(root, "error-format", "text", "json", "github-actions")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkFormat() }
	root.AddCommand(a.newCommand(), a.regenCommand(), a.explainCommand(), a.schemaCommand(), a.versionCommand(), a.completionCommand())
	return root
}

func (a *app) checkFormat() error {
	for _, f := range diag.Formats() {
		if a.format == string(f) {
			return nil
		}
	}
	unknown := a.format
	a.format = string(diag.Text)
	return usage(fmt.Sprintf("no error format %q", unknown), "write text, json or github-actions")
}

// offer makes a shell complete a flag with its values, where it would offer files.
func offer(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // no such flag
	}
}

// args checks the number of arguments.
func args(least, most int, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usage(fmt.Sprintf("%s takes %s", cmd.CommandPath(), want), "run "+cmd.CommandPath()+" --help")
		}
		return nil
	}
}

// printf writes to stdout. The first failure is kept: it makes the run fail.
func (a *app) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(a.stdout, format, args...); err != nil && a.failed == nil {
		a.failed = fmt.Errorf("write output: %w", err)
	}
}

// notef writes to stderr. Where that fails there is nobody to tell.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.stderr, format, args...) }

// printer prints errors in the chosen format, in colours only for a person.
func (a *app) printer() diag.Printer {
	return diag.Printer{Format: diag.Format(a.format), Color: isTerminal(a.stderr)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
