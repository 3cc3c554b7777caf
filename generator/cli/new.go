package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// newFlags are the flags of svcgen new.
type newFlags struct {
	manifest string
	out      string
	choices  ir.Choices
	imports  []string
	maxProto maxProto
	dryRun   bool
	json     bool
}

func (a *app) newCommand() *cobra.Command {
	var f newFlags
	cmd := &cobra.Command{
		Use:   "new [svcgen.yaml | some.proto]",
		Short: "Make a service from a manifest, or from a proto alone",
		Long: `Make a service from a manifest, or from a proto alone.

From a proto, everything else is inferred and a commented svcgen.yaml is written. Afterwards the folder holds
everything svcgen regen needs.`,
		Example: `  svcgen new svcgen.yaml --out ../orders
  svcgen new orders.proto --out ../orders --module github.com/acme/orders --database postgres --broker kafka`,
		Args: args(0, 1, "one manifest or proto"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runNew(cmd, f, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.manifest, "manifest", "", "the manifest, instead of an argument")
	flags.StringVarP(&f.out, "out", "o", "", "folder to make; must not exist or be empty (default: the service's name)")
	flags.StringArrayVarP(&f.imports, "import", "I", nil, "further import root for protos, FOLDER or PREFIX=FOLDER; may be repeated")
	flags.StringVar(&f.choices.Name, "name", "", "name of the service, for a proto")
	flags.StringVar(&f.choices.Module, "module", "", "Go module path, for a proto")
	flags.StringVar(&f.choices.Database, "database", "", "sqlite, postgres or mysql, for a proto")
	flags.StringVar(&f.choices.Broker, "broker", "", "memory, kafka or rabbitmq, for a proto")
	f.maxProto.flag(cmd)
	flags.BoolVar(&f.dryRun, "dry-run", false, "list the files and write nothing")
	flags.BoolVar(&f.json, "json", false, "print what was done as JSON")
	offer(cmd, "database", "sqlite", "postgres", "mysql")
	offer(cmd, "broker", "memory", "kafka", "rabbitmq")
	return cmd
}

// input is what new was asked to read.
func (f newFlags) input(args []string) (generator.Input, error) {
	in := generator.Input{Manifest: f.manifest, Imports: f.imports, Choices: f.choices, Limits: f.maxProto.limits()}
	switch {
	case len(args) == 1 && f.manifest != "":
		return in, usage("a manifest and an argument are one too many", "leave one of them out")
	case len(args) == 1 && filepath.Ext(args[0]) == ".proto":
		in.Proto = args[0]
	case len(args) == 1:
		in.Manifest = args[0]
	case f.manifest == "":
		return in, usage("nothing to make a service from", "write svcgen new svcgen.yaml, or svcgen new some.proto")
	}
	if in.Proto == "" && f.choices != (ir.Choices{}) {
		return in, usage("--name, --module, --database and --broker are for a proto without a manifest", "write them into "+in.Manifest)
	}
	return in, nil
}

func (a *app) runNew(cmd *cobra.Command, f newFlags, args []string) error {
	in, err := f.input(args)
	if err != nil {
		return err
	}
	in.Version = a.version
	if f.out != "" {
		if err := reconcile.Vacant(f.out); err != nil {
			return err
		}
	}
	out, err := generator.Generate(cmd.Context(), in)
	if err != nil {
		return err
	}
	if err := a.warn(out.Warnings); err != nil {
		return err
	}
	if f.out == "" {
		f.out = out.Service.Name
	}
	if f.dryRun {
		if err := reconcile.Vacant(f.out); err != nil {
			return err
		}
		return a.report(report{Status: "would create", Dir: f.out, changes: reconcile.Creates(out.Files)}, f.json)
	}
	changes, err := reconcile.CreateTree(f.out, out.Files, options(out, a.version))
	if err != nil {
		return err
	}
	if tree, err := reconcile.Open(f.out); err == nil {
		remember(tree, a.program(), out)
		_ = tree.Close() // only read by now
	}
	if f.json {
		return a.report(report{Status: "created", Dir: f.out, changes: changes}, true)
	}
	a.printf("made %s in %s\n\n", out.Service.Name, diag.Escape(f.out))
	a.nextSteps(out.Service, f.out)
	return nil
}

// options are what the tree is reconciled with.
func options(out *generator.Output, version string) reconcile.Options {
	opt := reconcile.Options{Version: version}
	for _, l := range out.Lookups {
		in := reconcile.Input{Path: l.Path}
		if l.Content != nil {
			in.Hash = reconcile.Hash(l.Content)
		}
		opt.Inputs = append(opt.Inputs, in)
	}
	return opt
}

// nextSteps prints what to type.
func (a *app) nextSteps(s *ir.Service, dir string) {
	run := "go run ./cmd/" + s.Name
	if strings.HasPrefix(dir, "-") {
		dir = "./" + dir // cd would take it for an option
	}
	steps := [][2]string{{"cd " + shellWord(dir), ""}}
	if inWorkspace(dir) {
		steps = append(steps, [2]string{"go work use .", "go builds nothing in a workspace that does not list it"})
	}
	if servers := servers(s); len(servers) > 0 {
		run = "make run"
		steps = append(steps, [2]string{"make servers", strings.Join(servers, " and ") + ", in containers"}, [2]string{"make migrate", ""})
	}
	a.steps(append(steps, [2]string{run, "the first build takes about a minute"}))

	var more [][2]string
	if method, request, ok := firstCall(s); ok {
		more = append(more, [2]string{fmt.Sprintf("go run ./cmd/%s call %s %s", s.Name, method, shellWord(request)), ""})
	}
	if s.Broker == "memory" && len(s.Publishes) > 0 {
		more = append(more, [2]string{fmt.Sprintf("go run ./cmd/%s events --once", s.Name), "what it published"})
	}
	if len(more) > 0 {
		a.printf("\nand in a second terminal, in the same folder\n\n")
		a.steps(more)
	}
}

// inWorkspace reports whether the go command takes dir for a part of a workspace: whether it, or a folder around it, has a go.work.
func inWorkspace(dir string) bool {
	if work := os.Getenv("GOWORK"); work != "" {
		return work != "off"
	}
	abs, err := filepath.Abs(dir)
	for err == nil {
		if _, missing := os.Stat(filepath.Join(abs, "go.work")); missing == nil {
			return true
		}
		above := filepath.Dir(abs)
		if above == abs {
			break
		}
		abs = above
	}
	return false
}

// servers are the programs the service does not run without.
func servers(s *ir.Service) []string {
	var names []string
	if s.Database != "sqlite" {
		names = append(names, s.Database)
	}
	if s.Broker != "memory" {
		names = append(names, s.Broker)
	}
	return names
}

func (a *app) steps(steps [][2]string) {
	for _, s := range steps {
		if s[1] == "" {
			a.printf("  %s\n", s[0])
		} else {
			a.printf("  %s   # %s\n", s[0], s[1])
		}
	}
}

// shellWord quotes s for a POSIX shell where it needs that.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r > 127 || strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// firstCall is a method worth trying first, one that publishes if there is one, with a request for it.
func firstCall(s *ir.Service) (method, request string, ok bool) {
	var first ir.Method
	for _, served := range s.RPC {
		for _, m := range served.Methods {
			if m.Kind != ir.Unary || ok && (len(first.Emits) > 0 || len(m.Emits) == 0) {
				continue
			}
			first, ok = m, true
			method = m.Call
		}
	}
	return method, sampleRequest(s, first), ok
}
