package reconcile

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/goedit"
)

// fitted is the set with stubs that compile beside what the user declares: an import that is called like a type or a
// function of the package has another name, and a method of what is a generic type by now is declared on that.
func (p *planner) fitted(set *fileset.Set) (*fileset.Set, error) {
	if p.opt.Evolve.Folder == "" { // a new tree has no code of anybody's
		return set, nil
	}
	p.generics = map[string]string{}
	taken, err := p.taken(p.opt.Evolve.Folder)
	if err != nil || len(taken) == 0 {
		return set, err
	}
	fitted := &fileset.Set{}
	for _, f := range set.Files() {
		if f.Owner == fileset.User && f.Decl != (fileset.Decl{}) && imports(f.Content, taken) {
			if file, errs := goedit.ParseFile(f.Path, f.Content); errs == nil {
				f.Content = goedit.Apply(f.Content, file.RenameImports(taken))
			}
		}
		if generic := p.generics[f.Decl.Type]; generic != "" && f.Owner == fileset.User {
			receiver := regexp.MustCompile(`(?m)^(func \(\w+ \*)` + regexp.QuoteMeta(f.Decl.Type) + `\) `)
			f.Content = receiver.ReplaceAll(f.Content, []byte("${1}"+generic+") "))
		}
		if err := fitted.Add(f); err != nil {
			return nil, err
		}
	}
	return fitted, nil
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

// taken are the names that files of a folder declare which somebody has written in; it notes which are of generic types. What cannot be read or parsed is
// told where it matters.
func (p *planner) taken(folder string) (map[string]bool, error) {
	taken := map[string]bool{}
	entries, err := fs.ReadDir(p.tree.FS(), folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name := path.Join(folder, entry.Name())
		if entry.IsDir() || !isGo(entry.Name()) {
			continue
		}
		content, err := p.tree.readGo(name)
		if err != nil || slices.Contains(p.old.Files[name].Hashes, Hash(content)) {
			continue
		}
		if file, errs := goedit.ParseFile(name, content); errs == nil && file.Package() == p.opt.Evolve.Package {
			file.TopLevel(taken)
			file.Generics(p.generics)
		}
	}
	return taken, nil
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
