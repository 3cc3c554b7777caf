// Package fileset holds what a run wants to be on disk: a sorted set of files in memory, with an owner each.
// It reads and writes nothing.
package fileset

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Owner says who may change a file after it was emitted, and so what regen does with it.
type Owner string

// The three owners. See docs/regen.md.
const (
	Svcgen Owner = "svcgen" // rewritten on every run
	User   Owner = "yours"  // created when absent, then only edited where the contract allows
	Merged Owner = "merged" // yours, kept current by three-way merge
)

// File is one planned file. Path is slash-separated and relative to the target.
type File struct {
	Path    string
	Owner   Owner
	Mode    fs.FileMode
	Content []byte
	Packed  Packed // instead of Content, of svcgen's own files where they are many
	Kept    *Kept  // instead of Content, of a file that was made before
	Key     string // of what it was made from, where making it takes long; see Made
	Decl    Decl   // what a Go file of the user's is there for
	Variant string // of a user's file: the choice it depends on; when that changes, so does the file, if it was not edited
}

// Text is what the file is to hold. It is not for a Kept file: reading that can fail.
func (f File) Text() []byte {
	switch {
	case f.Kept != nil:
		panic(f.Path + " is asked for its text and was not read")
	case f.Packed != nil:
		return f.Packed.Bytes()
	}
	return f.Content
}

// Decl names a declaration of the user's package: a method, or a type when Method is empty. A file that is
// there for one is not created where the package has the declaration in another file. The zero Decl is none.
type Decl struct {
	Package string // package clause of the file
	Type    string
	Method  string
}

// Set is a set of files with unique paths. The zero Set is empty.
type Set struct {
	files []File // sorted by path
	at    map[string]int
}

// New is the set of files, which it takes over. Two of one path are a bug in the plan, and an error.
func New(files []File) (*Set, error) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	s := &Set{files: files, at: make(map[string]int, len(files))}
	for i, f := range files {
		if _, dup := s.at[f.Path]; dup {
			return nil, fmt.Errorf("two files planned at %s", f.Path)
		}
		s.at[f.Path] = i
	}
	return s, nil
}

// Finish waits for the files that are in the making: until then they have no content. The error is of one that cannot be made.
func (s *Set) Finish() error {
	for i, f := range s.files {
		if !f.Kept.InTheMaking() {
			continue
		}
		content, err := f.Kept.Read()
		if err != nil {
			return err
		}
		s.files[i].Content, s.files[i].Kept = content, nil
	}
	return nil
}

// Get returns the file at path.
func (s *Set) Get(path string) (File, bool) {
	i, ok := s.at[path]
	if !ok {
		return File{}, false
	}
	return s.files[i], true
}

// Files returns the files sorted by path. They are to be read only.
func (s *Set) Files() []File { return s.files }
