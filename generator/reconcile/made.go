package reconcile

import (
	"fmt"
	"strings"

	"github.com/svcgen/svcgen/generator/fileset"
)

// What took long to make is kept where it belongs, in the tree; .svcgen/local notes what it was made from. A run that
// finds the same input takes the file for the result, if it still has the hash it was made with.

// note says what hash has what was made from something. Of svcgen's own files it says where it is, too; a user's file is
// another by now.
type note struct{ key, hash, path string }

// Made is what p, and no other svcgen, made in this tree before.
func (t *Tree) Made(p Program) fileset.Made {
	known := t.wholeMemory()
	maker, err := known.maker(p)
	if err != nil || maker != known.madeBy {
		return fileset.Made{}
	}
	read := func(n note) ([]byte, error) {
		f, err := t.look(n.path)
		if err == nil && f.hash != n.hash {
			err = fmt.Errorf("%s: %w", n.path, errChanged)
		}
		return unix(f.content), err
	}
	return fileset.Made{
		ByKey: func(key string) *fileset.Kept {
			n, ok := known.notes[key]
			if !ok {
				return nil
			}
			if n.path == "" {
				return &fileset.Kept{Hash: n.hash}
			}
			if f, err := t.glance(n.path, known, known.files[n.path]); err != nil || !f.regular || f.hash != n.hash {
				return nil
			}
			return &fileset.Kept{Hash: n.hash, Read: func() ([]byte, error) { return read(n) }}
		},
		ByPath: func(path string) []byte {
			for _, n := range known.notes {
				if n.path != path {
					continue
				}
				if content, err := read(n); err == nil {
					return content
				}
			}
			return nil
		},
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

func (n note) format() string {
	if n.path == "" {
		return n.key + " " + n.hash
	}
	return n.key + " " + n.hash + " " + quotePath(n.path)
}

func parseNote(text string) (note, bool) {
	key, rest, ok := strings.Cut(text, " ")
	hash, name, placed := strings.Cut(rest, " ")
	n := note{key: key, hash: hash}
	if placed {
		n.path, placed = unquotePath(name)
		ok = ok && placed
	}
	return n, ok && hash != ""
}

// noteOf is the note on f, which lock describes.
func noteOf(f fileset.File, lock Lock) note {
	if f.Owner != fileset.Svcgen {
		return note{key: f.Key, hash: hashOf(f)}
	}
	if entry := lock.Files[f.Path]; len(entry.Hashes) == 1 {
		return note{f.Key, entry.Hashes[0], f.Path}
	}
	return note{f.Key, hashOf(f), f.Path}
}
