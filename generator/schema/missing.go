package schema

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
)

// missingHint says where a file was looked for, and what to do about it.
func (l *loader) missingHint(importPath string) string {
	if h := origin(importPath); h != "" {
		return h
	}
	if near := diag.Nearest(importPath, l.others()); near != "" && sameFileOrFolder(near, importPath) {
		return fmt.Sprintf("did you mean %s?", near)
	}
	// The same file name elsewhere: the import root is wrong rather than the name.
	for _, name := range l.candidates() {
		if strings.HasSuffix(importPath, "/"+name) || strings.HasSuffix(name, "/"+importPath) {
			return fmt.Sprintf("did you mean %s?", name)
		}
	}
	for _, name := range l.candidates() {
		if path.Base(name) == path.Base(importPath) && lookupKnown(name) == nil {
			return fmt.Sprintf("did you mean %s?", name)
		}
	}
	return "looked in " + l.searched() + "; name another import root in proto.imports, or to svcgen new with -I"
}

// sameFileOrFolder reports whether two paths that are near each other are so for a reason: b/c.proto and a.proto differ by
// three letters, and have nothing to do with each other.
func sameFileOrFolder(a, b string) bool {
	return path.Base(a) == path.Base(b) ||
		path.Dir(a) == path.Dir(b) && diag.Nearest(path.Base(b), []string{path.Base(a)}) != ""
}

func (l *loader) searched() string {
	var dirs []string
	for _, root := range l.roots {
		dir := root.Dir
		if root.Prefix != "" {
			dir = root.Prefix + "=" + dir
		}
		dirs = append(dirs, dir)
	}
	if len(dirs) == 0 {
		return "no import root"
	}
	return strings.Join(dirs, ", ")
}

// origin tells where protos come from that many files import and no repository carries.
func origin(importPath string) string {
	for _, o := range []struct{ prefix, module, dir string }{
		{"gogoproto/", "github.com/gogo/protobuf", ""},
		{"github.com/gogo/protobuf/", "github.com/gogo/protobuf", "github.com/gogo/protobuf="},
		{"validate/validate.proto", "github.com/envoyproxy/protoc-gen-validate", ""},
		{"protoc-gen-openapiv2/", "github.com/grpc-ecosystem/grpc-gateway/v2", ""},
		{"protoc-gen-swagger/", "github.com/grpc-ecosystem/grpc-gateway", ""},
	} {
		if strings.HasPrefix(importPath, o.prefix) {
			return fmt.Sprintf("it comes with the Go module %s: copy it into an import root, or add -I %s<folder of that module> to svcgen new",
				o.module, o.dir)
		}
	}
	for _, prefix := range []string{"google/type/", "google/longrunning/", "google/iam/", "google/cloud/", "google/logging/", "google/api/", "google/rpc/"} {
		if strings.HasPrefix(importPath, prefix) {
			return "it comes with https://github.com/googleapis/googleapis: copy it into an import root, or add -I <folder of a copy> to svcgen new"
		}
	}
	return ""
}

// maxCandidates bounds the walk that serves a hint only.
const maxCandidates = 2000

// others are the candidates that an import may have meant: not the file it stands in, nor one that led there.
func (l *loader) others() []string {
	return slices.DeleteFunc(slices.Clone(l.candidates()), func(name string) bool { return slices.Contains(l.stack, name) })
}

// candidates are import paths that would be found.
func (l *loader) candidates() []string {
	if l.names != nil {
		return l.names
	}
	names := knownPaths()
	for _, root := range l.roots {
		seen := 0
		// An error ends the walk: fewer names, a poorer hint.
		_ = fs.WalkDir(root.fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if seen++; err != nil || seen > maxCandidates {
				return fs.SkipAll
			}
			if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			if !d.IsDir() && path.Ext(name) == ".proto" {
				names = append(names, path.Join(root.Prefix, name))
			}
			return nil
		})
	}
	slices.Sort(names)
	l.names = slices.Compact(names)
	return l.names
}
