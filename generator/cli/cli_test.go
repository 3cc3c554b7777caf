package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator/reconcile"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"svcgen":       func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"svcgen-1.1.0": released("v1.1.0"),
		"svcgen-1.2.0": released("v1.2.0"),
		"svcgen-1.3.0": released("v1.3.0"),
	})
}

// released is svcgen as the linker would make it for a release.
func released(version string) func() {
	return func() {
		release = version
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
}

// TestScripts runs the scripts that specify the command: what is typed, what is printed, what is on disk after it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: commands,
	})
}

// commands are what the scripts have beside the commands of testscript.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"status":  status,
	"replace": replace,
	"snap":    snap,
	"regen":   regen,
	"builds":  builds,
}

// status checks the exit code of a command: status 2 svcgen new.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// replace edits a file: replace FILE OLD NEW. It fails when OLD is not there.
func replace(ts *testscript.TestScript, _ bool, args []string) {
	name, old, with := ts.MkAbs(args[0]), strings.ReplaceAll(args[1], `\n`, "\n"), strings.ReplaceAll(args[2], `\n`, "\n")
	text := ts.ReadFile(name)
	if !strings.Contains(text, old) {
		ts.Fatalf("%s has no %q", args[0], old)
	}
	ts.Check(os.WriteFile(name, []byte(strings.Replace(text, old, with, 1)), 0o644))
}

// snap writes every file below a folder with its size and modification time to a file: snap FOLDER FILE.
func snap(ts *testscript.TestScript, _ bool, args []string) {
	text, err := listing(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

// TestBugReport proves that a panic ends in a report and exit code 70, not in a bare stack trace.
func TestBugReport(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := guarded(&stdout, &stderr, func(*app) error {
		panic("assignment to entry in nil map")
	})
	text := stderr.String()
	if code != exitBug || !strings.Contains(text, "this is a bug in svcgen: assignment to entry in nil map") || !strings.Contains(text, "/issues") {
		t.Errorf("exit code %d and report\n%s", code, text)
	}
}

// TestEmptyFolder proves that a folder which cannot be removed is a failure at its place.
func TestEmptyFolder(t *testing.T) {
	err := &reconcile.EmptyFolderError{Err: &fs.PathError{Op: "removeat", Path: "gen/b", Err: fs.ErrPermission}}
	f := classify(fmt.Errorf("finish the interrupted run: %w", err))
	const want = "gen/b: svcgen's files in it are gone, and the empty folder cannot be removed: permission denied"
	if got := f.Error(); f.code != exitFailed || got != want {
		t.Errorf("exit code %d and %q\nwant %d and %q", f.code, got, exitFailed, want)
	}
}

// TestOutputThatCannotBeWritten proves that a full disk behind stdout is a failure.
func TestOutputThatCannotBeWritten(t *testing.T) {
	var stderr bytes.Buffer
	if code := Main([]string{"version"}, strings.NewReader(""), brokenPipe{}, &stderr); code != exitFailed {
		t.Errorf("exit code %d, want %d; stderr %s", code, exitFailed, &stderr)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("broken pipe") }

// TestEveryFlagIsDocumented keeps help texts whole: a sentence without a full stop for every command and flag.
func TestEveryFlagIsDocumented(t *testing.T) {
	a := &app{}
	for _, cmd := range a.root().Commands() {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s is described as %q", cmd.CommandPath(), cmd.Short)
		}
		checkFlags(t, cmd)
	}
}

func checkFlags(t *testing.T, cmd *cobra.Command) {
	t.Helper()
	for line := range strings.Lines(cmd.Flags().FlagUsages()) {
		if fields := strings.Fields(line); len(fields) < 4 {
			t.Errorf("%s: flag without a description: %s", cmd.CommandPath(), line)
		}
	}
}
