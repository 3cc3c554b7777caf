// Package schema compiles proto files in-process: import roots and file names go in, linked descriptors
// with positions come out, or every mistake in the files with its place.
//
// Files that a Go module linked into svcgen provides (google/protobuf, google/api, buf/validate and so on; the table
// is in known.go) are taken from its descriptors and never from disk, so a stale copy in a root cannot shadow them.
// The package decides nothing about Go. It is the only importer of protocompile.
package schema

import (
	"context"
	"path"
	"path/filepath"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/diag"
)

// Input says what to compile.
type Input struct {
	Files    []Entry
	Messages []Entry // full names of messages whose files are wanted too, such as consumed events
	Roots    []Root  // searched in this order
	Limits   Limits  // zero fields take their defaults

	// Compiled is Schema.Compiled of an earlier run of the same svcgen, or nil. With it, diagnostics may lack their place:
	// when there are any, compile again without.
	Compiled []byte
}

// Entry is a file or message the caller asks for, and where it does.
type Entry struct {
	Path string // of a file, relative to a root and with slashes; of a message, its full name
	Pos  diag.Pos
}

// Schema is a set of compiled files that is closed under imports.
type Schema struct {
	Files    []*File // imports before their importers, otherwise in the order they were met
	Warnings diag.List

	byPath  map[string]*File
	sources diag.Sources
}

// File is one proto file of a Schema.
type File struct {
	Path    string // what imports call it: acme/orders/v1/orders.proto
	Disk    string // where it was read, as positions spell it; empty when Known provides it
	Content []byte
	Root    Root                              // the root it was found in
	Listed  bool                              // an Entry, not merely imported
	Known   *Known                            // the Go module that provides it; nil for a file of the user's
	Names   protoreflect.FileDescriptor       // what it declares: Desc, or of a Kept file, that without the fields and oneofs of messages
	Proto   *descriptorpb.FileDescriptorProto // of Names, with comments; not to be changed
	Raw     []byte                            // the descriptor of Desc, serialized
	Kept    bool                              // taken from Input.Compiled: that run found nothing wrong in it

	desc    protoreflect.FileDescriptor                 // nil until it is asked for
	link    func() (protoreflect.FileDescriptor, error) // makes desc
	failed  error                                       // of link
	located bool                                        // Desc knows the positions of everything in it
	lines   [][]byte                                    // Content by lines; filled on first use
}

// File is the file of an import path, or nil.
func (s *Schema) File(importPath string) *File { return s.byPath[importPath] }

// Sources is the text of the files for diagnostics that point into them.
func (s *Schema) Sources() diag.Sources { return s.sources }

// Compile reads and links the files of in and everything they import. Its error is a diag.List, unless ctx ended.
func Compile(ctx context.Context, in Input) (*Schema, error) {
	l, err := newLoader(ctx, in)
	if err != nil {
		return nil, err
	}
	defer l.close()
	for _, entry := range in.Files {
		l.entry(entry)
	}
	for _, entry := range in.Messages {
		l.message(entry)
	}
	failed := l.linking.wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := l.sources.Finish(l.list).Err(); err != nil {
		return nil, err
	}
	if failed != nil {
		failed = l.linkAtOnce(ctx)
	} else {
		for _, w := range l.linking.warnings {
			l.warn(w)
		}
	}
	if failed != nil && !l.list.HasErrors() {
		l.add(failed)
	}
	list := l.sources.Finish(l.list)
	if err := list.Err(); err != nil {
		return nil, err
	}
	return &Schema{Files: l.order, Warnings: list, byPath: l.files, sources: l.sources}, nil
}

// display is how a file of a root is called in messages.
func display(root Root, rel string) string {
	return path.Join(filepath.ToSlash(root.Dir), rel)
}
