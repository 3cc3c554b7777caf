package ir

import (
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/naming"
	"github.com/svcgen/svcgen/generator/schema"
)

// sources are the input files the emitted tree carries, so that it can be regenerated from itself: the manifest, and
// every proto that no Go module provides. A proto from below the manifest's folder keeps its place; one from
// elsewhere goes under proto, or under third_party where proto has another file of that name.
func (r *resolver) sources() []Source {
	var list []Source
	var used []string // import roots in the tree, in the order of the manifest
	places := make(map[string]string)
	outside := r.outsideFolder()
	for _, f := range r.schema.Files {
		if f.Known != nil {
			continue
		}
		root := f.Root.Place
		rel := f.Path
		if root == "" {
			root = outside
		}
		place := path.Join(root, rel)
		key := strings.ToLower(place)
		if other, dup := places[key]; dup {
			r.list.Add(r.fileStart(f), "rename one of them", "%s and %s would be one file on a file system that ignores case", other, f.Path)
			continue
		}
		places[key] = f.Path
		r.checkPlace(f, place)
		list = append(list, Source{Path: place, Content: f.Content, Pos: r.fileStart(f)})
		if !slices.Contains(used, root) {
			used = append(used, root)
		}
	}
	list = append(list, Source{Path: manifest.FileName, Content: r.manifestFor(used)})
	slices.SortFunc(list, func(a, b Source) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// outsideFolder is where protos from outside the manifest's folder go: the first folder in which they are in
// nobody's way.
func (r *resolver) outsideFolder() string {
	inside := make(map[string]bool)
	for _, f := range r.schema.Files {
		if f.Known == nil && f.Root.Place != "" {
			inside[path.Join(f.Root.Place, f.Path)] = true
		}
	}
	for _, folder := range []string{"proto", "third_party"} {
		if !slices.ContainsFunc(r.schema.Files, func(f *schema.File) bool {
			return f.Known == nil && f.Root.Place == "" && inside[path.Join(folder, f.Path)]
		}) {
			return folder
		}
	}
	return "third_party/proto"
}

// manifestFor is the manifest as it stands in the emitted tree: its import roots are those the tree has, in the
// order of the original ones. It is changed only where it would be wrong there.
func (r *resolver) manifestFor(used []string) []byte {
	m := r.manifest
	var roots []string
	for _, imp := range m.Proto.Imports {
		if place := path.Clean(imp); slices.Contains(used, place) && !slices.Contains(roots, place) {
			roots = append(roots, place)
		}
	}
	for _, root := range used {
		if !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	if right(m.Proto.Imports, roots) {
		return m.Source
	}
	src, err := m.WithImports(roots)
	if err != nil {
		r.list.Add(m.Pos("proto.imports"), "", "%s", err.Error())
	}
	return src
}

// right reports whether a manifest that lists imports finds its files in a tree whose roots are used.
func right(imports, used []string) bool {
	if len(imports) == 0 {
		// The default looks for proto first: a root "." is found only if no file put a folder proto there.
		return len(used) == 0 || len(used) == 1 && (used[0] == "proto" || used[0] == ".")
	}
	var cleaned []string
	for _, imp := range imports {
		cleaned = append(cleaned, path.Clean(imp))
	}
	return slices.Equal(cleaned, used)
}

// checkPlace refuses a place that svcgen writes itself, or that a file system or tool gives a meaning.
func (r *resolver) checkPlace(f *schema.File, place string) {
	folded := strings.ToLower(place) // for a file system that ignores case, Gen is gen
	for i, elem := range strings.Split(folded, "/") {
		switch {
		case i == 0 && elem == "gen", strings.HasPrefix(folded, "internal/gen/"):
			r.list.Add(r.fileStart(f), "move it to a folder such as proto", "%s lies in a folder that belongs to svcgen", place)
			return
		case i == 0 && elem == "vendor":
			r.list.Add(r.fileStart(f), "move it to a folder such as proto", "%s lies in the folder that the go command takes modules from", place)
			return
		case elem == ".git", elem == ".svcgen":
			r.list.Add(r.fileStart(f), "move it to a folder such as proto", "%s lies in a folder of a tool", place)
			return
		case naming.Device(naming.Stem(elem)), strings.HasSuffix(elem, "."), strings.HasSuffix(elem, " "), strings.ContainsAny(elem, `<>:"|?*`):
			r.list.Add(r.fileStart(f), "rename it", "%s has a name that cannot exist on Windows", place)
			return
		case len(elem) > 200:
			r.list.Add(r.fileStart(f), "rename it", "a name in the path of %s is longer than 200 bytes", place)
			return
		}
	}
}
