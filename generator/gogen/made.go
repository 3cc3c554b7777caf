package gogen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	sums := digests(files, prefixes)
	for i, f := range left {
		if !f.Generate {
			continue
		}
		key := closureKey(f.Path, byPath, sums)
		var sources []File
		for _, suffix := range suffixes(f) {
			path := prefixes[f.Path] + suffix
			keys[path] = key + suffix
			if kept := made.Get(keys[path]); kept != nil && kept.Read != nil {
				sources = append(sources, File{Path: path, Kept: kept, Key: keys[path]})
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

// digests stand for what the sources of a file depend on in each file itself: its descriptor, and where its Go code goes.
func digests(files []ir.ProtoFile, prefixes map[string]string) map[string]string {
	sums := make(map[string]string, len(files))
	for _, f := range files {
		sums[f.Path] = sum("%q %q %q %q %t:%s", f.Path, f.Go.ImportPath, f.Go.Name, prefixes[f.Path], f.Generate, []byte(f.Descriptor))
	}
	return sums
}

// closureKey stands for all that the sources of a file depend on: the file, its imports and theirs.
func closureKey(path string, byPath map[string]*ir.ProtoFile, digests map[string]string) string {
	needed := map[string]bool{}
	closure(path, byPath, needed)
	var text strings.Builder
	text.WriteString(path)
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		text.WriteString("\n" + digests[name])
	}
	return "code:" + sum("%s", text.String())
}

func sum(format string, args ...any) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, format, args...) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}
