package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/plan"
	"github.com/svcgen/svcgen/generator/reconcile"
)

func (a *app) explainCommand() *cobra.Command {
	var limit maxProto
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Say who owns a file of a service, and what svcgen regen does with it",
		Args:  args(1, 1, "one file"),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.runExplain(cmd, limit, args[0]) },
	}
	limit.flag(cmd)
	return cmd
}

func (a *app) runExplain(cmd *cobra.Command, limit maxProto, file string) (err error) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usage(file+" is a folder", "name a file in it")
	}
	dir, err := findTree(nearestFolder(file))
	if err != nil {
		return err
	}
	path, err := inTree(dir, file)
	if err != nil {
		return err
	}
	tree, err := reconcile.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	before, err := readContract(tree)
	if err != nil {
		return within(dir, err)
	}
	out, err := generator.Generate(cmd.Context(), generator.Input{
		Manifest: filepath.Join(dir, manifest.FileName), Version: a.version, Limits: limit.limits(), Names: func() (ir.Names, error) { return before.Names(), nil },
	})
	if err != nil {
		return err
	}
	lock, err := tree.Lock()
	if err != nil {
		return within(dir, err)
	}
	said, err := promise(tree, lock, before, out)
	if err != nil {
		return within(dir, err)
	}
	opt := options(out, a.version)
	if opt.Evolve, err = said.evolution(nil); err != nil {
		return err
	}
	changes, err := tree.Plan(out.Files, opt)
	var edited *reconcile.EditedError
	if err != nil && !errors.As(err, &edited) {
		return within(dir, err)
	}
	a.printf("%s\n", diag.Escape(path))
	for _, f := range out.Plan {
		if f.Path == path {
			a.printf("  owner  %s\n  why    %s\n  from   %s\n  regen  %s\n", f.Owner, f.Why, origin(f), rule(f.Owner))
			a.printf("  now    %s\n", now(changes, path))
			return nil
		}
	}
	owner, rule := stranger(path)
	if entry, made := lock.Files[path]; made {
		owner, rule = entry.Owner, "svcgen made it, and would not make it any more"
	}
	a.printf("  owner  %s\n  regen  %s\n", owner, rule)
	if now := now(changes, path); now != upToDate {
		a.printf("  now    %s\n", now)
	}
	return nil
}

const upToDate = "up to date"

// nearestFolder is the folder of a file that need not exist.
func nearestFolder(file string) string {
	dir := filepath.Dir(file)
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return dir
	}
}

// inTree is file as the plan calls it.
func inTree(dir, file string) (string, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", usage(fmt.Sprintf("%s is not in %s", file, dir), "")
	}
	return filepath.ToSlash(rel), nil
}

func origin(f plan.File) string {
	switch f.Source {
	case plan.Copy:
		return "templates/service/" + f.From
	case plan.Fragment:
		return "templates/fragment/" + f.From
	default:
		return "made from the manifest and the protos"
	}
}

func rule(owner fileset.Owner) string {
	switch owner {
	case fileset.Svcgen:
		return "written again whenever it differs; an edit by hand stops the run"
	case fileset.User:
		return "created when missing, then yours; deleted by you, it stays deleted (remove its line in svcgen.lock to get it back)"
	default:
		return "yours; what changes in svcgen is merged into it, and a conflict leaves it alone"
	}
}

// now is what the next run would do with the file.
func now(changes *reconcile.Changes, path string) string {
	for _, action := range changes.Actions {
		if action.Path == path {
			return strings.TrimSuffix(fmt.Sprintf("to %s; %s", action.Op, action.Note), "; ")
		}
	}
	for _, kept := range changes.Kept {
		if kept.Path == path {
			return kept.Why
		}
	}
	return upToDate
}

// stranger is the owner of a file that svcgen did not make.
func stranger(path string) (owner fileset.Owner, rule string) {
	switch {
	case path == reconcile.LockName:
		return fileset.Svcgen, "remembers what svcgen last wrote; commit it"
	case strings.HasPrefix(path, ".svcgen/"):
		return fileset.Svcgen, "what svcgen keeps for itself; commit .svcgen/base, merges start from it"
	case filepath.Ext(path) == ".go":
		return fileset.User, "svcgen did not make this file; where a proto changes, only imports, signatures and names in it follow"
	default:
		return fileset.User, "svcgen does not know this file, and never touches it"
	}
}
