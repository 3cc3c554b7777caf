package gogen

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/svcgen/svcgen/generator/descriptor"
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
	sums := map[string]map[string]string{}
	for suffix, part := range parts {
		sums[suffix] = digests(files, prefixes, part)
	}
	for i, f := range left {
		if !f.Generate {
			continue
		}
		left[i].Generate = false
		for _, suffix := range suffixes(f) {
			path := prefixes[f.Path] + suffix
			keys[path] = closureKey(f.Path, byPath, sums[suffix]) + suffix
			if kept := made.Get(keys[path]); kept != nil && kept.Read != nil {
				out = append(out, File{Path: path, Kept: kept, Key: keys[path]})
			} else {
				left[i].Generate = true
			}
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

// part is what one kind of source depends on of a file's descriptor.
type part struct {
	without  []protowire.Number // fields
	comments []protowire.Number // fields, on whose content comments do not matter
}

// parts are those of the kinds of sources: messages have no comments of services, and stubs nothing of messages but
// their names, which ir.ProtoFile.Types has, since a nested one goes where the one around it goes.
var parts = map[string]part{
	messageSuffix: {comments: []protowire.Number{descriptor.FileServices}},
	grpcSuffix: {
		without:  []protowire.Number{descriptor.FileMessages, descriptor.FileEnums, descriptor.FileExtensions},
		comments: []protowire.Number{descriptor.FileMessages, descriptor.FileEnums, descriptor.FileExtensions},
	},
}

// digests stand for what the sources of a file depend on in each file itself: that part of its descriptor, and where its
// Go code goes.
func digests(files []ir.ProtoFile, prefixes map[string]string, p part) map[string]string {
	sums := make(map[string]string, len(files))
	for _, f := range files {
		h := sha256.New()
		_, _ = fmt.Fprintf(h, "%q %q %q %q %t %q:", f.Path, f.Go.ImportPath, f.Go.Name, prefixes[f.Path], f.Generate, f.Types) // a hash takes everything
		p.write(h, f.Descriptor)
		sums[f.Path] = hex.EncodeToString(h.Sum(nil))
	}
	return sums
}

// write writes the part of a serialized descriptor to h. Where it cannot be read, all of it follows.
func (p part) write(h hash.Hash, file []byte) {
	for f, err := range descriptor.Fields(file) {
		switch {
		case err != nil:
			h.Write(file)
		case slices.Contains(p.without, f.Number):
		case f.Number == descriptor.FileSourceInfo:
			p.writeComments(h, f.Value)
		default:
			h.Write(f.Whole)
		}
	}
}

// writeComments writes source info without the comments that do not matter. Where it cannot be read, all of it follows.
func (p part) writeComments(h hash.Hash, info []byte) {
	for location, err := range descriptor.Fields(info) {
		switch {
		case err != nil:
			h.Write(info)
		case !p.immaterial(location.Value):
			h.Write(location.Whole)
		}
	}
}

// immaterial reports whether a location is on the content of a field whose comments do not matter.
func (p part) immaterial(location []byte) bool {
	for f, err := range descriptor.Fields(location) {
		if err != nil {
			return false
		}
		if f.Number == descriptor.LocationPath {
			first, n := protowire.ConsumeVarint(f.Value)
			return n > 0 && slices.Contains(p.comments, protowire.Number(first))
		}
	}
	return false
}

// closureKey stands for all that a source of a file depends on: the file, its imports and theirs.
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
