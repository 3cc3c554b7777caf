// Package schema compiles proto files in-process: import roots and file names go in, linked descriptors
// with positions come out, or every mistake in the files with its place.
//
// Files that a Go module linked into svcgen provides (google/protobuf, google/api, buf/validate and so on; the table
// is in known.go) are taken from its descriptors and never from disk, so a stale copy in a root cannot shadow them.
// The package decides nothing about Go. It is the only importer of protocompile.
package schema

import (
	"context"
	"errors"
	"path"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protodesc"
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
	Root    Root   // the root it was found in
	Listed  bool   // an Entry, not merely imported
	Known   *Known // the Go module that provides it; nil for a file of the user's
	Desc    protoreflect.FileDescriptor
	Proto   *descriptorpb.FileDescriptorProto // with source info; not to be changed

	lines [][]byte // Content by lines; filled on first use
}

// File is the file of an import path, or nil.
func (s *Schema) File(importPath string) *File { return s.byPath[importPath] }

// Sources is the text of the files for diagnostics that point into them.
func (s *Schema) Sources() diag.Sources { return s.sources }

// Compile reads and links the files of in and everything they import. Its error is a diag.List, unless ctx ended.
func Compile(ctx context.Context, in Input) (*Schema, error) {
	l, err := newLoader(in)
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
	if err := l.sources.Finish(l.list).Err(); err != nil {
		return nil, err
	}
	return l.link(ctx)
}

// link runs the compiler over parsed files.
func (l *loader) link(ctx context.Context) (*Schema, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.ResolverFunc(l.resolve),
		SourceInfoMode: protocompile.SourceInfoStandard,
		Reporter:       reporter.NewReporter(l.report, l.warn),
	}
	paths := make([]string, len(l.order))
	for i, f := range l.order {
		paths[i] = f.Path
	}
	results, err := compiler.Compile(ctx, paths...)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !l.list.HasErrors() {
		l.add(err)
	}
	list := l.sources.Finish(l.list)
	if err := list.Err(); err != nil {
		return nil, err
	}
	for i, result := range results {
		f := l.order[i]
		f.Desc = result
		if r, ok := result.(linker.Result); ok {
			f.Proto = r.FileDescriptorProto()
		} else {
			f.Proto = protodesc.ToFileDescriptorProto(result)
		}
	}
	return &Schema{Files: l.order, Warnings: list, byPath: l.files, sources: l.sources}, nil
}

// resolve hands the compiler what the loader has parsed; it never reads a file itself.
func (l *loader) resolve(importPath string) (protocompile.SearchResult, error) {
	if f := l.files[importPath]; f != nil && f.Known != nil {
		return protocompile.SearchResult{Desc: f.Known.desc}, nil
	}
	if tree := l.trees[importPath]; tree != nil {
		return protocompile.SearchResult{AST: tree}, nil
	}
	// Only files linked in are asked for here: the imports of those that Known provides.
	if k := lookupKnown(importPath); k != nil {
		return protocompile.SearchResult{Desc: k.desc}, nil
	}
	return protocompile.SearchResult{}, errors.New("not found")
}

// display is how a file of a root is called in messages.
func display(root Root, rel string) string {
	return path.Join(filepath.ToSlash(root.Dir), rel)
}
