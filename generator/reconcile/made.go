package reconcile

import (
	"fmt"
	"strings"

	"github.com/svcgen/svcgen/generator/fileset"
)

// What took long to make is kept where it belongs, in the tree; .svcgen/local notes what it was made from. A run that
// finds the same input takes the file for the result, if it still has the hash it was made with.

// note says that the file at path, while it has that hash, is what was made from something.
type note struct{ hash, path string }

// Made is what p, and no other svcgen, made in this tree before.
func (t *Tree) Made(p Program) fileset.Made {
	known := t.memory()
	maker, err := known.maker(p)
	if err != nil || maker != known.madeBy {
		return nil
	}
	notes := parseNotes(known.made)
	return func(key string) *fileset.Kept {
		n, ok := notes[key]
		if !ok {
			return nil
		}
		if f, err := t.glance(n.path, known, known.files[n.path]); err != nil || !f.regular || f.hash != n.hash {
			return nil
		}
		return &fileset.Kept{Hash: n.hash, Read: func() ([]byte, error) {
			f, err := t.look(n.path)
			if err == nil && f.hash != n.hash {
				err = fmt.Errorf("%s: %w", n.path, errChanged)
			}
			return unix(f.content), err
		}}
	}
}

// Compiled is what p, and no other svcgen, had compiled the protos to when it left the tree; nil if that is not known.
func (t *Tree) Compiled(p Program) []byte {
	known := t.memory()
	maker, err := known.maker(p)
	if err != nil || maker != known.madeBy || known.compiled == "" {
		return nil
	}
	if f, err := t.look(compiledName); err == nil && f.regular && f.sum == known.compiled {
		return f.content
	}
	return nil
}

// keepCompiled writes what Compiled is to find, and returns its hash. Half of it has another.
func (t *Tree) keepCompiled(compiled []byte) (hash string, err error) {
	if compiled == nil {
		return "", ignoreNotExist(t.root.Remove(compiledName))
	}
	return sum(compiled), t.root.WriteFile(compiledName, compiled, 0o644)
}

// maker is what tells p from every other svcgen.
func (m memory) maker(p Program) (string, error) {
	if !p.Development {
		return p.Version, nil
	}
	program, err := m.recognise(p)
	return program.hash, err
}

// parseNotes reads the lines that notes wrote. One that cannot be read says nothing.
func parseNotes(text string) map[string]note {
	notes := map[string]note{}
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(fields) != 3 {
			continue
		}
		if path, ok := unquotePath(fields[2]); ok {
			notes[fields[0]] = note{hash: fields[1], path: path}
		}
	}
	return notes
}

// notes are the lines about the files of set, which lock describes.
func notes(set *fileset.Set, lock Lock) string {
	var b strings.Builder
	for _, f := range set.Files() {
		if f.Key == "" {
			continue
		}
		var hash string
		if entry := lock.Files[f.Path]; f.Owner == fileset.Svcgen && len(entry.Hashes) == 1 {
			hash = entry.Hashes[0]
		} else {
			hash = hashOf(f)
		}
		fmt.Fprintf(&b, "%s %s %s\n", f.Key, hash, quotePath(f.Path))
	}
	return b.String()
}
