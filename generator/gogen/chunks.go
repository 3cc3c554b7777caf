package gogen

import (
	"iter"
	"slices"

	"github.com/svcgen/svcgen/generator/ir"
)

// chunks splits the files that are to be generated into groups of size, each with everything it imports and all in
// the order of files. What a group only imports is not generated with it.
func chunks(files []ir.ProtoFile, size int) iter.Seq[[]ir.ProtoFile] {
	return func(yield func([]ir.ProtoFile) bool) {
		if slices.ContainsFunc(files, choosesAPI) {
			yield(files)
			return
		}
		byPath := make(map[string]*ir.ProtoFile, len(files))
		var targets []string
		for i, f := range files {
			byPath[f.Path] = &files[i]
			if f.Generate {
				targets = append(targets, f.Path)
			}
		}
		for group := range slices.Chunk(targets, size) {
			needed := map[string]bool{}
			for _, path := range group {
				closure(path, byPath, needed)
			}
			var chunk []ir.ProtoFile
			for _, f := range files {
				if needed[f.Path] {
					f.Generate = slices.Contains(group, f.Path)
					chunk = append(chunk, f)
				}
			}
			if !yield(chunk) {
				return
			}
		}
	}
}

// closure adds path and what it imports to needed.
func closure(path string, byPath map[string]*ir.ProtoFile, needed map[string]bool) {
	f := byPath[path]
	if f == nil || needed[path] {
		return
	}
	needed[path] = true
	for _, imported := range f.Imports {
		closure(imported, byPath, needed)
	}
}

// choosesAPI reports whether f may have the hybrid API, for which all files have to be loaded together: see workers.
func choosesAPI(f ir.ProtoFile) bool {
	return f.Generate && slices.Contains(f.Imports, "google/protobuf/go_features.proto")
}
