package reconcile

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/goedit"
)

// declarations knows what the user's packages declare. A folder is read when it is first asked about.
type declarations struct {
	tree    *Tree
	module  string
	read    map[key]*goedit.Package
	overlay map[string][]byte // files as they will be; nil: gone
	errs    diag.List         // files that do not parse; with one of them, no answer can be trusted
}

type key struct{ folder, name string }

// find reports whether the package in folder declares decl, in whichever file.
func (d *declarations) find(folder string, decl fileset.Decl) (bool, error) {
	if decl == (fileset.Decl{}) {
		return false, nil
	}
	pkg, err := d.pkg(key{folder, decl.Package})
	if err != nil || pkg == nil {
		return false, err
	}
	if decl.Method == "" {
		return pkg.HasType(decl.Type), nil
	}
	return d.hasMethod(pkg, decl.Type, decl.Method, map[goedit.Promoted]bool{})
}

// borrowed is where the type that decl is a method of is another package's, and which: no method can be declared there.
func (d *declarations) borrowed(folder string, decl fileset.Decl) (pos diag.Pos, of string, ok bool, err error) {
	if decl.Method == "" {
		return diag.Pos{}, "", false, nil
	}
	pkg, err := d.pkg(key{folder, decl.Package})
	if err != nil || pkg == nil {
		return diag.Pos{}, "", false, err
	}
	pos, of, ok = pkg.Borrowed(decl.Type)
	return pos, of, ok, nil
}

// hasMethod looks into the other packages of the module, too, from which a type may have its methods. What svcgen
// generates does not count: the Unimplemented server that every service embeds has them all.
func (d *declarations) hasMethod(pkg *goedit.Package, typ, method string, seen map[goedit.Promoted]bool) (bool, error) {
	has, elsewhere := pkg.HasMethod(typ, method)
	for _, other := range elsewhere {
		folder, ours := strings.CutPrefix(other.Path, d.module+"/")
		if has || seen[other] || !ours || Generated(folder) {
			continue
		}
		seen[other] = true
		pkg, err := d.pkg(key{folder, ""})
		if err != nil {
			return false, err
		}
		if has, err = d.hasMethod(pkg, other.Name, method, seen); err != nil {
			return false, err
		}
	}
	return has, nil
}

func (d *declarations) pkg(k key) (*goedit.Package, error) {
	if pkg, done := d.read[k]; done {
		return pkg, nil
	}
	if d.read == nil {
		d.read = map[key]*goedit.Package{}
	}
	files := map[string][]byte{}
	entries, err := fs.ReadDir(d.tree.FS(), k.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		name := path.Join(k.folder, entry.Name())
		if entry.IsDir() || !isGo(entry.Name()) {
			continue
		}
		content, err := d.tree.GoFile(name)
		if errors.Is(err, fs.ErrNotExist) { // a dangling link, such as an editor's lock
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	for name, content := range d.overlay {
		if path.Dir(name) != k.folder {
			continue
		}
		if content == nil {
			delete(files, name)
		} else {
			files[name] = content
		}
	}
	pkg, errs := goedit.Parse(k.name, files)
	d.errs = append(d.errs, errs...)
	d.read[k] = pkg
	return pkg, nil
}
