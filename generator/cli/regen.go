package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/drift"
	"github.com/svcgen/svcgen/generator/evolve"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// regenFlags are the flags of svcgen regen.
type regenFlags struct {
	dryRun    bool
	diff      bool
	check     bool
	json      bool
	overwrite bool
	maxProto  maxProto
	breaking  bool
	renames   []string
}

// writes reports whether the run is to change the tree.
func (f regenFlags) writes() bool { return !f.dryRun && !f.diff && !f.check }

func (a *app) regenCommand() *cobra.Command {
	var f regenFlags
	cmd := &cobra.Command{
		Use:   "regen [FOLDER | FOLDER/...]",
		Short: "Bring a service up to date with its manifest and protos",
		Long: `Bring a service up to date with its manifest and protos.

What svcgen owns is written again where it differs; what is yours is created where it is missing and never lost;
docs/regen.md says exactly what happens to which file. A run either does all of it or changes nothing.
FOLDER/... means every service in and below the folder.`,
		Args: args(0, 1, "at most one folder"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRegen(cmd, f, args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "list what would change and write nothing")
	flags.BoolVar(&f.diff, "diff", false, "show what would change and write nothing")
	flags.BoolVar(&f.check, "check", false, "fail when something would change, and write nothing")
	flags.BoolVar(&f.json, "json", false, "print what was done as JSON")
	f.maxProto.flag(cmd)
	flags.BoolVar(&f.overwrite, "overwrite", false, "replace files of svcgen's that were changed by hand; the changes are saved under .svcgen/rescued")
	flags.BoolVar(&f.breaking, "allow-breaking", false, "go on when a published event changes in a way its consumers cannot read")
	flags.StringArrayVar(&f.renames, "rename", nil, "what has another name now, `SERVICE.OLD=NEW`, SERVICE.OLD=OTHER.NEW or SERVICE=OTHER: your code follows; may be repeated")
	return cmd
}

func (a *app) runRegen(cmd *cobra.Command, f regenFlags, args []string) error {
	dir := "."
	if len(args) == 1 {
		dir = args[0]
	}
	if filepath.Base(dir) == everyTree {
		if len(f.renames) > 0 {
			return usage("--rename is for one service", "run svcgen regen --rename in its folder")
		}
		return a.runEvery(cmd, f, dir)
	}
	dir, err := findTree(dir)
	if err != nil {
		return err
	}
	return a.regenTree(cmd, f, dir)
}

// regenTree runs regen in one service.
func (a *app) regenTree(cmd *cobra.Command, f regenFlags, dir string) (err error) {
	tree, err := reconcile.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	if err := a.recoverTree(tree, f.writes()); err != nil {
		return within(dir, err)
	}
	lock, err := tree.Lock()
	if err != nil {
		return within(dir, err)
	}
	program := a.program()
	// A rename asks for a change, and a check also looks for files that are in nobody's list.
	if len(f.renames) == 0 && !f.check {
		current, err := tree.Current(lock, program)
		if err != nil {
			return within(dir, err)
		}
		if current {
			return a.report(report{Status: nothingToDo, Dir: dir, changes: &reconcile.Changes{Unchanged: len(lock.Files)}}, f.json)
		}
	}
	before := sync.OnceValues(func() (*contract.Contract, error) { return readContract(tree) })
	background(func() { _, _ = before() })
	renames, err := parseRenames(f.renames)
	if err != nil {
		return err
	}
	in := generator.Input{Manifest: filepath.Join(dir, manifest.FileName), Version: a.version, Limits: f.maxProto.limits()}
	if !f.check { // a check takes nothing from earlier runs
		in.Made, in.Compiled = tree.Made(program), tree.Compiled(program)
	}
	in.Names = func() (ir.Names, error) {
		c, err := before()
		names := c.Names()
		names.Left = evolve.Left(renames)
		return names, within(dir, err)
	}
	out, err := generator.Generate(cmd.Context(), in)
	if err != nil {
		return err
	}
	if err := a.warn(out.Warnings); err != nil {
		return err
	}
	old, err := before()
	if err != nil {
		return within(dir, err)
	}
	said, err := promise(tree, lock, old, out)
	if err != nil {
		return within(dir, err)
	}
	return a.follow(tree, f, dir, said, out, renames)
}

// follow brings the tree at dir to out, or tells what that would do.
func (a *app) follow(tree *reconcile.Tree, f regenFlags, dir string, said promised, out *generator.Output, renames []evolve.Rename) error {
	broken := newBreakage(tree, out)
	if !said.same {
		broken.expect()
	}
	breaking, evolution, err := a.compareContracts(dir, f, said, out, renames)
	if err != nil {
		return err
	}
	opt := options(out, a.version)
	opt.Overwrite, opt.Thorough, opt.Evolve = f.overwrite, f.check, evolution
	if !f.writes() {
		changes, err := tree.Plan(out.Files, opt)
		if changes == nil {
			return within(dir, err)
		}
		if err := broken.look(changes); err != nil {
			return within(dir, err)
		}
		changes.Notes = append(changes.Notes, broken.lines()...)
		return within(dir, both(a.preview(dir, f, breaking, changes, err), a.strays(tree, f, out)))
	}
	opt.Before = broken.look
	changes, err := tree.Apply(out.Files, opt)
	if changes == nil {
		return within(dir, err)
	}
	if err == nil && !changes.Empty() { // else all is done but for clearing up
		remember(tree, a.program(), out)
	}
	changes.Notes = append(changes.Notes, broken.lines()...)
	if err != nil {
		return errors.Join(a.warn(changes.Notes.In(dir)), within(dir, err))
	}
	return within(dir, a.done(dir, f, breaking, changes))
}

// compareContracts says what is other than the last run promised, and what that asks of the user's code. It warns of what breaks
// callers and fails for what breaks consumers.
func (a *app) compareContracts(dir string, f regenFlags, said promised, out *generator.Output, renames []evolve.Rename) ([]drift.Change, evolve.Plan, error) {
	evolution, err := said.evolution(renames)
	if err != nil {
		return nil, evolve.Plan{}, err
	}
	changes, known, refused, err := said.breaks(dir, out, f.breaking)
	if err == nil {
		err = a.warn(known)
	}
	if err == nil && len(refused) > 0 {
		err = &failure{exitFailed, refused}
	}
	return changes, evolution, err
}

// remember makes the next run with nothing to do a fast one. Only a run that has written anyway does it: one with
// nothing to do touches nothing. Where it fails, this run has still done what it was asked for.
func remember(tree *reconcile.Tree, program reconcile.Program, out *generator.Output) {
	_ = tree.Remember(program, out.Files, out.Compiled)
}

// findTree is the folder with svcgen.lock, dir or the nearest one around it.
func findTree(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", usage(dir+" is not a folder", "svcgen regen takes the folder of a service")
	}
	for at := dir; ; {
		if found, err := reconcile.IsTree(at); found || err != nil {
			return at, err
		}
		abs, err := filepath.Abs(at)
		if err != nil {
			return "", err
		}
		if filepath.Dir(abs) == abs {
			break
		}
		at = filepath.Join(at, "..")
	}
	if _, err := os.Lstat(filepath.Join(dir, manifest.FileName)); err == nil {
		return "", usage(fmt.Sprintf("%s has a manifest, but no %s: svcgen cannot know what it wrote here", dir, reconcile.LockName), "get it back from version control; for a new service, svcgen new makes one in a folder of its own")
	}
	return "", usage(fmt.Sprintf("no %s in %s or a folder around it", reconcile.LockName, dir), "run svcgen regen in the folder of a service; svcgen new makes one")
}

// recoverTree finishes what an interrupted run left, unless nothing is to be written.
func (a *app) recoverTree(tree *reconcile.Tree, write bool) error {
	if !write {
		interrupted, err := tree.Interrupted()
		if err == nil && interrupted {
			err = fail(exitFailed, "the last run was interrupted", "svcgen regen finishes it")
		}
		return err
	}
	recovered, err := tree.Recover()
	if recovered && err == nil {
		a.notef("finished a run that had been interrupted\n")
	}
	return err
}

// statusOf is what is or was done, unless that is nothing.
func statusOf(changes *reconcile.Changes, done string) string {
	if len(changes.Actions) == 0 && changes.Empty() {
		return nothingToDo
	}
	return done
}

// preview prints what would be done. With --check, anything at all is a failure.
func (a *app) preview(dir string, f regenFlags, breaking []drift.Change, changes *reconcile.Changes, err error) error {
	var edited *reconcile.EditedError
	errors.As(err, &edited)
	status := statusOf(changes, "would change")
	if err := a.warn(changes.Notes.In(dir)); err != nil {
		return err
	}
	if err := a.report(report{Status: status, Dir: dir, Diff: f.diff, changes: changes, contract: breaking}, f.json); err != nil {
		return err
	}
	if f.check && status != nothingToDo {
		return &failure{exitFailed, stale(changes)}
	}
	if edited != nil {
		return edited
	}
	return conflicts(changes)
}

// both is one failure of two, with the messages of both.
func both(first, second error) error {
	var a, b *failure
	if errors.As(first, &a) && errors.As(second, &b) {
		return &failure{a.code, append(slices.Clone(a.list), b.list...)}
	}
	return errors.Join(first, second)
}

// strays makes --check fail for files among svcgen's that nobody knows.
func (a *app) strays(tree *reconcile.Tree, f regenFlags, out *generator.Output) error {
	if !f.check {
		return nil
	}
	names, err := tree.Strays(out.Files)
	if err != nil || len(names) == 0 {
		return err
	}
	var list diag.List
	for _, name := range names {
		list.Add(diag.Pos{File: name}, "", "not of svcgen's, in a folder that is")
	}
	list[len(list)-1].Hint = "move it elsewhere or delete it; svcgen regen does not remove what it did not write"
	return &failure{exitFailed, list}
}

// stale is what --check complains about.
func stale(changes *reconcile.Changes) diag.List {
	const regen = "run svcgen regen and commit what it changes"
	var list diag.List
	hint := ""
	for _, action := range changes.Actions {
		message := fmt.Sprintf("not what svcgen regen would leave: %s", action.Op)
		switch action.Op {
		case reconcile.Conflict: // says itself what to do
			message = action.Note
		case reconcile.Edited:
			message, hint = editedMessage(action), editedHint
		default:
			hint = cmp.Or(hint, regen)
		}
		list.Add(diag.Pos{File: action.Path}, "", "%s", message)
	}
	if list == nil {
		list.Add(diag.Pos{File: reconcile.LockName}, "", "not what svcgen regen would leave: %s", reconcile.Update)
		hint = regen
	}
	list[len(list)-1].Hint = hint
	return list
}

// done reports a run that has written what it had to.
func (a *app) done(dir string, f regenFlags, breaking []drift.Change, changes *reconcile.Changes) error {
	status := statusOf(changes, "done")
	if err := a.warn(changes.Notes.In(dir)); err != nil {
		return err
	}
	if err := a.report(report{Status: status, Dir: dir, changes: changes, contract: breaking}, f.json); err != nil {
		return err
	}
	return conflicts(changes)
}

// conflicts is the failure for files that have to be merged by hand.
func conflicts(changes *reconcile.Changes) error {
	var list diag.List
	for _, action := range changes.Actions {
		if action.Op == reconcile.Conflict {
			list.Add(diag.Pos{File: action.Path}, "", "%s", action.Note)
		}
	}
	if list == nil {
		return nil
	}
	return &failure{exitConflict, list}
}
