package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
)

// Op is what happens to one file.
type Op string

// What can happen to a file. Files that stay as they are have no action.
const (
	Create   Op = "create"
	Update   Op = "update"   // rewritten, nothing of the user's in it
	Merge    Op = "merge"    // the user's file, with what changed in svcgen's merged in
	Edit     Op = "edit"     // the user's Go file: a signature, an import or a method's name
	Rename   Op = "rename"   // the user's Go file, with the method it is there for
	Remove   Op = "remove"   // svcgen's, unchanged, and no longer planned
	Conflict Op = "conflict" // the user's file stays; FILE.svcgen-new beside it has to be merged by hand
	Edited   Op = "edited"   // svcgen's, but changed by hand: stops the run
)

// Action is what happens to one file, and why where that is not plain.
type Action struct {
	Path  string        `json:"path"`
	From  string        `json:"from,omitempty"` // of a Rename: where it was
	Op    Op            `json:"op"`
	Owner fileset.Owner `json:"owner"`
	Note  string        `json:"note,omitempty"`
	Old   []byte        `json:"-"` // nil: no file

	after fileset.File
}

// After is what the file will hold; nil: no file.
func (a Action) After() []byte { return a.after.Text() }

// Changes is everything a run does to a tree.
type Changes struct {
	Actions   []Action // by path
	Unchanged int      // planned files that stay as they are
	Kept      []Kept
	Notes     diag.List // warnings with a position in the user's code

	writes []write
}

// Kept is a file svcgen leaves alone though it would have written it, or knows of no use for it.
type Kept struct {
	Path string `json:"path"`
	Why  string `json:"why"`
	News bool   `json:"-"` // it was not so after the last run
}

// Empty reports whether there is nothing to write.
func (c *Changes) Empty() bool { return len(c.writes) == 0 }

// Count returns how many files have op.
func (c *Changes) Count(op Op) int {
	n := 0
	for _, a := range c.Actions {
		if a.Op == op {
			n++
		}
	}
	return n
}

// write is one change of a file, from one sum to another. An empty hash is a file that is not there.
type write struct {
	fileset.File
	old, new string
}

// EditedError says that files svcgen owns were changed by hand. Nothing was written.
type EditedError struct{ Actions []Action }

func (e *EditedError) Error() string {
	paths := make([]string, len(e.Actions))
	for i, a := range e.Actions {
		paths[i] = a.Path
	}
	if len(paths) == 1 {
		return fmt.Sprintf("%s was changed by hand, and svcgen owns it", paths[0])
	}
	return fmt.Sprintf("%d files that svcgen owns were changed by hand: %s", len(paths), strings.Join(paths, ", "))
}

// act tells of what happens to f, where old is now.
func (c *Changes) act(op Op, f fileset.File, old found, note string) {
	if old.unread {
		panic(f.Path + " changes and was not read")
	}
	c.Actions = append(c.Actions, Action{Path: f.Path, Op: op, Owner: f.Owner, Note: note, Old: old.content, after: f})
}

func (c *Changes) sort() {
	slices.SortFunc(c.Actions, func(a, b Action) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(c.Kept, func(a, b Kept) int { return strings.Compare(a.Path, b.Path) })
}

// put plans to replace old by f, whose sum is known; empty: by nothing. A file that is there keeps its mode.
func (c *Changes) put(f fileset.File, old found, hash string) {
	if old.regular {
		f.Mode = old.mode
	}
	w := write{File: f, old: old.sum, new: hash}
	if old.exists && !old.regular {
		w.old = special
	}
	c.writes = append(c.writes, w)
}

// change plans to replace old by f, and tells of it.
func (c *Changes) change(op Op, f fileset.File, old found, note string) {
	if op == Update {
		f = like(old, f)
	}
	c.act(op, f, old, note)
	c.put(f, old, sum(f.Text()))
}

// remove plans to remove old, which is at name, and tells of it.
func (c *Changes) remove(name string, owner fileset.Owner, old found, note string) {
	f := fileset.File{Path: name, Owner: owner}
	c.act(Remove, f, old, note)
	c.put(f, old, "")
}

// own plans to put what svcgen keeps for itself in the place of old, and tells nobody.
func (c *Changes) own(name string, old found, content []byte) {
	f := like(old, fileset.File{Path: name, Owner: fileset.Svcgen, Mode: 0o644, Content: content})
	c.put(f, old, sum(f.Content))
}

// special is the sum of what is there but is no regular file, such as a symbolic link.
const special = "special"
