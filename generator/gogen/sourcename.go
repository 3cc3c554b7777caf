package gogen

import (
	"cmp"
	"go/build"
	"io"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/ir"
)

// sourceName makes name, a proto's without its extension, safe in front of .pb.go: the go command leaves out a
// file whose name starts with _ or . or, up to the first dot, ends in _windows, _arm64 and the like, and takes one that starts
// with - for a flag.
func sourceName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '-', r == '.', r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			return r
		}
		return '_'
	}, name)
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		name = "proto" + name
	}
	stem, rest, dotted := strings.Cut(name, ".")
	if isConstrained(stem) {
		stem += "_proto"
	}
	if dotted {
		return stem + "." + rest
	}
	return stem
}

// isConstrained says whether the go command takes the end of stem for an operating system or architecture, by
// asking it about a platform that does not exist.
func isConstrained(stem string) bool {
	platform := build.Context{
		GOOS:     "none",
		GOARCH:   "none",
		Compiler: "gc",
		OpenFile: func(string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("package p\n")), nil
		},
	}
	match, err := platform.MatchFile("", stem+messageSuffix)
	return err != nil || !match
}

func sortedByPath(files []ir.ProtoFile) []ir.ProtoFile {
	return slices.SortedFunc(slices.Values(files), func(a, b ir.ProtoFile) int { return cmp.Compare(a.Path, b.Path) })
}
