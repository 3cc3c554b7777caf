package ir

import (
	"cmp"
	"go/token"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/svcgen/svcgen/generator/naming"
	"github.com/svcgen/svcgen/generator/schema"
)

// goPackages maps every file to a Go package. Files of well-known modules keep theirs. All others get one below
// <module>/gen, since a go_package may be missing, relative, in somebody's internal folder or simply wrong:
//
//  1. Files with the same usable go_package and proto package belong together; without a usable one, files of
//     the same proto package do.
//  2. Where such packages would import each other in a cycle, each of their files becomes a package of its own:
//     files never import in a cycle.
//  3. The folder is what go_package says if that is below <module>/gen, else the proto package's path, else one
//     that is still free. Generated code calls a package by the last element, so that is no name such code has itself.
func (r *resolver) goPackages() {
	var own []*schema.File
	for _, f := range r.schema.Files {
		if f.Known != nil {
			r.packages[f.Path] = GoPackage{ImportPath: f.Known.ImportPath, Name: f.Known.Package, Module: f.Known.Module}
			continue
		}
		own = append(own, f)
	}
	var folders naming.Files
	for _, g := range groupFiles(own) {
		folder := folders.Claim("", g.folders(r.manifest.Module)...)
		pkg := GoPackage{ImportPath: path.Join(r.manifest.Module, "gen", folder), Name: g.name()}
		for _, f := range g.files {
			r.packages[f.Path] = pkg
		}
		r.longFolder(g.files[0], folder)
	}
}

// longFolder refuses a folder that file systems do not take. f is a file of its package.
func (r *resolver) longFolder(f *schema.File, folder string) {
	if !slices.ContainsFunc(strings.Split(folder, "/"), func(elem string) bool { return len(elem) > maxIdentifier }) {
		return
	}
	pos := f.PosOf(packageField)
	if pos.Line == 0 {
		pos = r.fileStart(f)
	}
	r.list.Add(pos, "give it a shorter name", "the package of %s has a name longer than %d bytes", f.Path, maxIdentifier)
}

// packageField is the number of the field package in the descriptor of a file.
const packageField = 2

// group is the files of one Go package.
type group struct {
	key   string
	files []*schema.File
	split bool // one file of a group that was taken apart
}

// groupFiles puts files that belong together into groups without import cycles. Larger groups come first, so
// that of two that want a folder the likelier gets it; the order is the same for the same files.
func groupFiles(files []*schema.File) []*group {
	byKey := make(map[string]*group)
	var groups []*group
	add := func(key string, f *schema.File, split bool) {
		g := byKey[key]
		if g == nil {
			g = &group{key: key, split: split}
			byKey[key] = g
			groups = append(groups, g)
		}
		g.files = append(g.files, f)
	}
	for _, f := range files {
		add(groupKey(f), f, false)
	}
	cyclic := cycles(groups)
	if len(cyclic) > 0 {
		groups, byKey = nil, make(map[string]*group)
		for _, f := range files {
			if key := groupKey(f); cyclic[key] {
				add("file:"+f.Path, f, true)
			} else {
				add(key, f, false)
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(len(b.files), len(a.files)), cmp.Compare(a.key, b.key))
	})
	return groups
}

func groupKey(f *schema.File) string {
	if p, _ := goPackageOption(f); p != "" {
		return "go:" + p + ";" + f.Proto.GetPackage()
	}
	if f.Proto.GetPackage() == "" {
		return "dir:" + path.Dir(f.Path)
	}
	return "proto:" + f.Proto.GetPackage()
}

// cycles are the keys of groups that import each other, directly or not.
func cycles(groups []*group) map[string]bool {
	of := make(map[string]string) // file → group
	for _, g := range groups {
		for _, f := range g.files {
			of[f.Path] = g.key
		}
	}
	deps := make(map[string][]string)
	for _, g := range groups {
		for _, f := range g.files {
			for _, dep := range f.Proto.GetDependency() {
				if to := of[dep]; to != "" && to != g.key && !slices.Contains(deps[g.key], to) {
					deps[g.key] = append(deps[g.key], to)
				}
			}
		}
	}
	cyclic := make(map[string]bool)
	for _, g := range groups {
		if reaches(deps, g.key, g.key, make(map[string]bool)) {
			cyclic[g.key] = true
		}
	}
	return cyclic
}

func reaches(deps map[string][]string, from, to string, seen map[string]bool) bool {
	for _, next := range deps[from] {
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			if reaches(deps, next, to, seen) {
				return true
			}
		}
	}
	return false
}

// goPackageOption is the import path of a file's go_package, if that is one, and the package name it gives.
// A path without a dot or a slash, a relative and an absolute one say nothing about which files belong together.
func goPackageOption(f *schema.File) (importPath, name string) {
	importPath, name, _ = strings.Cut(f.Proto.GetOptions().GetGoPackage(), ";")
	if !token.IsIdentifier(name) || naming.Package(name) != strings.ToLower(name) && !strings.Contains(name, "_") || name == "_" {
		name = ""
	}
	if naming.Package(name) == name+"pb" { // a package cannot be called so
		name = ""
	}
	if !strings.Contains(importPath, "/") || module.CheckImportPath(importPath) != nil || strings.Contains(importPath, "..") {
		return "", name
	}
	return importPath, name
}

// name is the package clause: what go_package says, else the convention for its path or the proto package.
func (g *group) name() string {
	for _, f := range g.files {
		importPath, name := goPackageOption(f)
		if name != "" {
			return name
		}
		if importPath != "" {
			return naming.Versioned(strings.Split(importPath, "/"))
		}
	}
	f := g.files[0]
	if pkg := f.Proto.GetPackage(); pkg != "" {
		return naming.Versioned(strings.Split(pkg, "."))
	}
	return naming.Package(path.Base(g.folder(f)))
}

// folders are the folders below gen that would suit the group, the best first.
func (g *group) folders(modulePath string) []string {
	f := g.files[0]
	if g.split {
		return []string{unshadowed(path.Join(g.folder(f), naming.Elem(naming.Stem(f.Path))))}
	}
	var wanted []string
	importPath, _ := goPackageOption(f)
	if below, ok := strings.CutPrefix(importPath, path.Join(modulePath, "gen")+"/"); ok && below == elems(below, "/") {
		wanted = append(wanted, below)
	}
	wanted = append(wanted, g.folder(f))
	if importPath != "" {
		wanted = append(wanted, elems(importPath, "/"))
	}
	for i := range wanted {
		wanted[i] = unshadowed(wanted[i])
	}
	return wanted
}

// unshadowed is folder, unless messages or stubs that import a package of its name could not see it behind a variable
// of theirs, or could not see what Go declares behind it.
func unshadowed(folder string) string {
	if base := path.Base(folder); naming.Predeclared(base) || base == "init" || slices.Contains(stubVariables(), base) {
		return folder + "pb"
	}
	return folder
}

// folder is the path of a file's proto package; without one, its folder, or its own name where it has none.
func (g *group) folder(f *schema.File) string {
	switch dir := path.Dir(f.Path); {
	case f.Proto.GetPackage() != "":
		return elems(f.Proto.GetPackage(), ".")
	case dir != ".":
		return elems(dir, "/")
	}
	return naming.Elem(naming.Stem(f.Path))
}

// elems is s, split at sep, as a path of valid elements.
func elems(s, sep string) string {
	parts := strings.Split(s, sep)
	for i := range parts {
		parts[i] = naming.Elem(parts[i])
	}
	return path.Join(parts...)
}
