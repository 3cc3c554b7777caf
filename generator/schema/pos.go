package schema

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
)

// nameField is the number of the field name in the descriptors of everything that has one.
const nameField = 1

// Pos is where the name of d, a declaration of the schema, was written; where the file begins for one without a source.
func (s *Schema) Pos(d protoreflect.Descriptor) diag.Pos {
	f := s.byPath[d.ParentFile().Path()]
	if f == nil || f.Disk == "" {
		return diag.Pos{File: d.ParentFile().Path()}
	}
	loc := nameOf(d)
	if loc.Path == nil {
		f.locate()
		loc = nameOf(d)
	}
	if loc.Path == nil {
		loc = d.ParentFile().SourceLocations().ByDescriptor(d)
	}
	if loc.Path == nil {
		return diag.Pos{File: f.Disk}
	}
	return f.at(loc)
}

// nameOf is the place of a declaration's name, if it is known.
func nameOf(d protoreflect.Descriptor) protoreflect.SourceLocation {
	locations := d.ParentFile().SourceLocations()
	loc := locations.ByDescriptor(d)
	if loc.Path == nil {
		return loc
	}
	return locations.ByPath(append(slices.Clone(loc.Path), nameField))
}

// PosOf is where the element at a path of the file's descriptor was written.
func (f *File) PosOf(path ...int32) diag.Pos {
	f.locate()
	loc := f.Names.SourceLocations().ByPath(path)
	if f.Disk == "" || loc.Path == nil {
		return diag.Pos{File: f.Disk}
	}
	return f.at(loc)
}

// at is the start of a location, its column counted in code points. The compiler counts up to the next multiple
// of eight for a tab, as protoc does.
func (f *File) at(loc protoreflect.SourceLocation) diag.Pos {
	pos := diag.Pos{File: f.Disk, Line: loc.StartLine + 1, Col: 1}
	line := f.line(loc.StartLine)
	for column := 0; column < loc.StartColumn && len(line) > 0; pos.Col++ {
		r, size := utf8.DecodeRune(line)
		line = line[size:]
		if r == '\t' {
			column += 8 - column%8
		} else {
			column++
		}
	}
	return pos
}

// offset is an offset of the parser, which drops a byte order mark, in the content.
func (f *File) offset(parsed int) int {
	if bytes.HasPrefix(f.Content, []byte("\ufeff")) {
		return parsed + len("\ufeff")
	}
	return parsed
}

// line is the n-th line of the file, counted from 0, without its line end.
func (f *File) line(n int) []byte {
	if f.lines == nil {
		f.lines = bytes.SplitAfter(f.Content, []byte{'\n'})
	}
	if n >= len(f.lines) {
		return nil
	}
	return f.lines[n]
}
