package reconcile

import (
	"fmt"
	"io/fs"
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
	New   []byte        `json:"-"` // nil: no file

	packed fileset.Packed // instead of New
}

// After is what the file will hold.
func (a Action) After() []byte {
	if a.packed != nil {
		return a.packed.Bytes()
	}
	return a.New
}

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

// write is one change of a file. An empty hash is a file that is not there.
type write struct {
	path     string
	owner    fileset.Owner
	old, new string
	content  []byte
	packed   fileset.Packed // instead of content
	mode     fs.FileMode
}

// text is what the file is to hold.
func (w write) text() []byte {
	if w.packed != nil {
		return w.packed.Bytes()
	}
	return w.content
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

func (c *Changes) act(a Action) { c.Actions = append(c.Actions, a) }

func (c *Changes) sort() {
	slices.SortFunc(c.Actions, func(a, b Action) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(c.Kept, func(a, b Kept) int { return strings.Compare(a.Path, b.Path) })
}

// put plans to replace old by content at path.
func (c *Changes) put(path string, owner fileset.Owner, old found, content []byte, mode fs.FileMode) {
	if old.regular {
		mode = old.mode
	}
	w := write{path: path, owner: owner, old: old.hash, content: content, mode: mode}
	if content != nil {
		w.new = Hash(content)
	}
	c.add(w, old)
}

// putFile plans to replace old by f, whose hash is known.
func (c *Changes) putFile(f fileset.File, old found, hash string) {
	mode := f.Mode
	if old.regular {
		mode = old.mode
	}
	c.add(write{path: f.Path, owner: f.Owner, old: old.hash, new: hash, content: f.Content, packed: f.Packed, mode: mode}, old)
}

func (c *Changes) add(w write, old found) {
	if old.exists && !old.regular {
		w.old = special
	}
	c.writes = append(c.writes, w)
}

// special is the hash of what is there but is no regular file, such as a symbolic link.
const special = "special"
