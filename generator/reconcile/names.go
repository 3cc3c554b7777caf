package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/parallel"
)

// written is f as it would be written now: with its content, which compiles beside what the user declares. An import that
// is called like a type or a function of the package has another name, and a method of what is a generic type by now is declared
// on that.
func (p *planner) written(f fileset.File) (fileset.File, error) {
	if f.Kept != nil {
		content, err := f.Kept.Read()
		if err == nil && Hash(content) != f.Kept.Hash {
			err = fmt.Errorf("%s is not what %s says: delete that file", f.Path, memoryName)
		}
		if err != nil {
			return f, err
		}
		f.Content, f.Kept = content, nil
	}
	if p.fits(f, f.Content) {
		return f, nil
	}
	if imports(f.Content, p.taken) {
		if file, errs := goedit.ParseFile(f.Path, f.Content); errs == nil {
			f.Content = goedit.Apply(f.Content, file.RenameImports(p.taken))
		}
	}
	if generic := p.generics[f.Decl.Type]; generic != "" {
		receiver := regexp.MustCompile(`(?m)^(func \(\w+ \*)` + regexp.QuoteMeta(f.Decl.Type) + `\) `)
		f.Content = receiver.ReplaceAll(f.Content, []byte("${1}"+generic+") "))
	}
	return f, nil
}

// fits reports whether content, which is to be f, compiles beside what the user declares.
func (p *planner) fits(f fileset.File, content []byte) bool {
	return f.Owner != fileset.User || f.Decl == (fileset.Decl{}) || p.generics[f.Decl.Type] == "" && !imports(content, p.taken)
}

// sameButNames reports whether a stub is what it would be now, but for what its imports are called: that depends on the
// user's package, and is decided when it is written.
func sameButNames(content []byte, f fileset.File) bool {
	was, errs := goedit.ParseFile(f.Path, content)
	if errs != nil {
		return false
	}
	is, errs := goedit.ParseFile(f.Path, f.Content)
	return errs == nil && bytes.Equal(goedit.Apply(f.Content, is.ImportLike(was)), unix(content))
}

// names notes the names that the user's package declares in files that somebody has written in, and which of them are of
// generic types. What cannot be read or parsed is told where it matters.
func (p *planner) names() error {
	folder := p.opt.Evolve.Folder
	if folder == "" { // a new tree has no code of anybody's
		return nil
	}
	bases, err := p.tree.bases(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p.taken, p.generics = map[string]bool{}, map[string]string{}
	var mu sync.Mutex
	return parallel.Each(bases, func(base string) error {
		name := path.Join(folder, base)
		if !isGo(base) || p.ours(name, p.disk[name]) {
			return nil
		}
		content, err := p.tree.GoFile(name)
		if err != nil {
			return nil //nolint:nilerr // told where it matters
		}
		file, errs := goedit.ParseFile(name, content)
		if errs != nil || file.Package() != p.opt.Evolve.Package {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		file.TopLevel(p.taken)
		file.Generics(p.generics)
		return nil
	})
}

// bases are the names in a folder. Asked for its entries, an os.Root looks at every file.
func (t *Tree) bases(folder string) ([]string, error) {
	f, err := t.root.Open(folder)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// imports reports whether a file that svcgen made imports something under one of the names.
func imports(content []byte, names map[string]bool) bool {
	_, block, _ := bytes.Cut(content, []byte("\nimport ("))
	block, _, _ = bytes.Cut(block, []byte("\n)"))
	for line := range strings.Lines(string(block)) {
		name, quoted, _ := strings.Cut(strings.TrimSpace(line), `"`)
		if name = strings.TrimSpace(name); name == "" {
			name = path.Base(strings.TrimSuffix(quoted, `"`))
		}
		if names[name] {
			return true
		}
	}
	return false
}
