package gogen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// remembered takes the sources that were made before from what they would be made from now. It returns them and the
// files that are left to generate; keys are those of the other sources, by their paths.
func remembered(files []ir.ProtoFile, prefixes map[string]string, made fileset.Made) (out []File, left []ir.ProtoFile, keys map[string]string) {
	if slices.ContainsFunc(files, choosesAPI) {
		return nil, files, nil // how many sources a file becomes is not known beforehand
	}
	left, keys = slices.Clone(files), make(map[string]string)
	byPath := make(map[string]*ir.ProtoFile, len(files))
	for i, f := range files {
		byPath[f.Path] = &files[i]
	}
	for i, f := range left {
		if !f.Generate {
			continue
		}
		key := closureKey(f.Path, byPath, prefixes)
		var sources []File
		for _, suffix := range suffixes(f) {
			path := prefixes[f.Path] + suffix
			keys[path] = key + suffix
			if content := made.Get(keys[path]); content != nil {
				sources = append(sources, File{Path: path, Content: content, Key: keys[path]})
			}
		}
		if len(sources) == len(suffixes(f)) {
			out = append(out, sources...)
			left[i].Generate = false
		}
	}
	return out, left, keys
}

// suffixes are the ends of the names of f's sources.
func suffixes(f ir.ProtoFile) []string {
	if f.Services == 0 {
		return []string{messageSuffix}
	}
	return []string{messageSuffix, grpcSuffix}
}

// closureKey stands for all that the sources of a file depend on: its descriptor, those of its imports and of theirs, and the
// Go packages they are in.
func closureKey(path string, byPath map[string]*ir.ProtoFile, prefixes map[string]string) string {
	needed := map[string]bool{}
	closure(path, byPath, needed)
	h := sha256.New()
	write := func(b []byte) { fmt.Fprintf(h, "%d:%s;", len(b), b) }
	write([]byte(path))
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		f := byPath[name]
		write([]byte(name))
		write(f.Descriptor)
		fmt.Fprintf(h, "%q %q %q %t;", f.Go.ImportPath, f.Go.Name, prefixes[name], f.Generate)
	}
	return "code:" + hex.EncodeToString(h.Sum(nil))
}
