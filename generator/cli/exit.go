package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/merge"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// The exit codes; docs/exit-codes.md explains them.
const (
	exitDone     = 0
	exitFailed   = 1 // also: --check found drift
	exitInput    = 2 // also: wrong usage
	exitConflict = 3
	exitLocked   = 4
	exitLimit    = 5
	exitBug      = 70
)

// failure is an error with its exit code and what to do about it.
type failure struct {
	code int
	list diag.List
}

func (f *failure) Error() string { return f.list.Error() }

// fail is a failure with one message.
func fail(code int, message, hint string) error {
	return &failure{code, diag.List{{Message: message, Hint: hint}}}
}

// usage is a failure of the person who typed the command.
func usage(message, hint string) error { return fail(exitInput, message, hint) }

// exit prints err and returns the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		err = a.failed
	}
	if err == nil {
		return exitDone
	}
	f := classify(err)
	if f.code == exitBug {
		a.reportBug(err.Error(), nil)
		return f.code
	}
	if err := a.printer().Print(a.stderr, f.list); err != nil {
		return exitFailed
	}
	return f.code
}

// classify says what kind of failure err is.
func classify(err error) *failure {
	var known *failure
	var list diag.List
	var edited *reconcile.EditedError
	var held *reconcile.HeldError
	var newer *reconcile.NewerError
	var notEmpty *reconcile.NotEmptyError
	var empty *reconcile.EmptyFolderError
	var unfinished *reconcile.UnfinishedError
	var bug *generator.BugError
	var path *fs.PathError
	one := func(code int, hint string) *failure {
		// Several errors at once are on a line each, and a message is one line.
		return &failure{code, diag.List{{Message: strings.ReplaceAll(err.Error(), "\n", "; "), Hint: hint}}}
	}
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &bug):
		return one(exitBug, "")
	case errors.As(err, &list):
		for _, d := range list {
			if d.Limit {
				return &failure{exitLimit, list}
			}
		}
		return &failure{exitInput, list}
	case errors.As(err, &edited):
		return editedFailure(edited)
	case errors.As(err, &held):
		return &failure{exitLocked, diag.List{{Message: held.Error(), Hint: "wait until it is done, then run svcgen again"}}}
	case errors.As(err, &newer):
		return one(exitFailed, "update svcgen to "+newer.Tree)
	case errors.As(err, &notEmpty) && notEmpty.Interrupted:
		return one(exitInput, "svcgen regen in it finishes that run; or delete the folder and run svcgen new again")
	case errors.As(err, &notEmpty):
		return one(exitInput, "give --out a folder that does not exist yet; svcgen regen updates a service that does")
	case errors.As(err, &empty) && errors.As(empty, &path):
		return &failure{exitFailed, diag.List{{
			Pos: diag.Pos{File: path.Path}, Message: "svcgen's files in it are gone, and the empty folder cannot be removed: " + path.Err.Error(),
			Hint: "all files are written, svcgen regen finishes what is left to do; if it cannot either, remove the folder by hand and run it again",
		}}}
	case errors.As(err, &unfinished):
		return one(exitFailed, "")
	case errors.As(err, &path) && strings.Contains(path.Err.Error(), "path escapes from parent"): // os.Root has no name for it
		return &failure{exitFailed, diag.List{{
			Pos: diag.Pos{File: path.Path}, Message: "a symbolic link in this path leads out of the service",
			Hint: "make it a folder or a file; protos from elsewhere may have their folder in proto.imports",
		}}}
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return &failure{exitInput, diag.List{{Message: fmt.Sprintf("%s does not exist", path.Path)}}}
	default:
		return one(exitFailed, "")
	}
}

// within is err with its positions in the tree at dir as seen from where svcgen was started.
func within(dir string, err error) error {
	if err == nil || dir == "." {
		return err
	}
	f := classify(err)
	if f.code == exitBug {
		return err
	}
	return &failure{f.code, f.list.In(dir)}
}

// editedFailure shows what was changed by hand, and how to go on.
func editedFailure(e *reconcile.EditedError) *failure {
	var list diag.List
	for _, action := range e.Actions {
		list.Add(diag.Pos{File: action.Path}, "", "%s", editedMessage(action))
	}
	list[len(list)-1].Hint = editedHint
	return &failure{exitConflict, list}
}

const editedHint = "move the change to a file of yours; svcgen regen --diff shows it, svcgen regen --overwrite drops it and saves it under .svcgen/rescued"

func editedMessage(action reconcile.Action) string {
	const edited = "changed by hand, and svcgen owns it"
	switch action.Note {
	case "":
		return edited
	case reconcile.NotOurs:
		return action.Note
	default:
		return edited + "; " + action.Note
	}
}

// diff is the unified diff of one action: from what is there to what svcgen would write.
func diff(action reconcile.Action) string {
	return merge.Unified(action.Path, action.Old, action.After())
}

// reportBug says what to report, and where.
func (a *app) reportBug(message string, stack []byte) {
	a.notef("svcgen: this is a bug in svcgen: %s\n", diag.Escape(message))
	for line := range strings.Lines(string(stack)) {
		a.notef("    %s", diag.Escape(strings.TrimSuffix(line, "\n"))+"\n")
	}
	a.notef("hint: report it with this text, svcgen.yaml and the protos at https://github.com/svcgen/svcgen/issues; svcgen version is %s\n", a.version)
}
