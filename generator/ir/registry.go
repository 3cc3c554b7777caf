package ir

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/schema"
)

// registry refuses files that declare names which a Go module linked into every emitted service declares too.
// The protobuf runtime keeps one registry per process and panics, at start, when a name is registered twice; neither
// go build nor go vet would have said a word.
func (r *resolver) registry() {
	for _, f := range r.schema.Files {
		if f.Known != nil {
			continue
		}
		for d := range declarations(f.Desc) {
			known := schema.Registered(d.FullName())
			if known == nil {
				continue
			}
			r.list.Add(r.schema.Pos(d), "import "+known.Path+" instead of a copy of it",
				"%s is declared by %s of the Go module %s as well, and a process can register it only once", d.FullName(), known.Path, known.Module)
			break // one per file: a copy clashes in every declaration
		}
	}
}

// declarations are the top-level declarations of a file.
func declarations(fd protoreflect.FileDescriptor) func(yield func(protoreflect.Descriptor) bool) {
	return func(yield func(protoreflect.Descriptor) bool) {
		for i := range fd.Messages().Len() {
			if !yield(fd.Messages().Get(i)) {
				return
			}
		}
		for i := range fd.Enums().Len() {
			if !yield(fd.Enums().Get(i)) {
				return
			}
		}
		for i := range fd.Services().Len() {
			if !yield(fd.Services().Get(i)) {
				return
			}
		}
		for i := range fd.Extensions().Len() {
			if !yield(fd.Extensions().Get(i)) {
				return
			}
		}
	}
}

// fileStart is the place of a diagnostic about a file as a whole.
func (r *resolver) fileStart(f *schema.File) diag.Pos {
	return diag.Pos{File: f.Disk}
}
