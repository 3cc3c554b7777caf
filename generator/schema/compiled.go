package schema

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/descriptor"
	"github.com/svcgen/svcgen/generator/diag"
)

// A file whose text is what it was, and that of all it imports, compiles to what it did. What one run compiled is kept as
// one piece, as a file may mean another thing beside other imports: none of it is taken for a file whose imports changed.

// compiled is what an earlier run made of each file, by import path.
type compiled map[string]compiledFile

type compiledFile struct {
	content []byte // the SHA-256 of it
	raw     []byte // File.Raw
}

// Fields of a compiled file, which is a message of three.
const (
	compiledPath protowire.Number = iota + 1
	compiledContent
	compiledRaw
)

// Compiled is what the next Compile may take as Input.Compiled; nil when there was something to warn of, which it would not see.
func (s *Schema) Compiled() []byte {
	if len(s.Warnings) > 0 {
		return nil
	}
	size := 0
	for _, f := range s.Files {
		if f.Known == nil {
			size += len(f.Raw) + len(f.Path) + sha256.Size + 32 // with tags and lengths
		}
	}
	out := make([]byte, 0, size)
	var file []byte
	for _, f := range s.Files {
		if f.Known != nil {
			continue
		}
		sum := sha256.Sum256(f.Content)
		file = descriptor.Append(file[:0], compiledPath, []byte(f.Path))
		file = descriptor.Append(file, compiledContent, sum[:])
		file = descriptor.Append(file, compiledRaw, f.Raw)
		out = descriptor.Append(out, 1, file)
	}
	return out
}

// readCompiled reads what Compiled wrote. Of what cannot be read there is nothing.
func readCompiled(text []byte) compiled {
	files := compiled{}
	for field, err := range descriptor.Fields(text) {
		if err != nil {
			return nil
		}
		var path string
		var file compiledFile
		for f, err := range descriptor.Fields(field.Value) {
			if err != nil {
				return nil
			}
			switch f.Number {
			case compiledPath:
				path = string(f.Value)
			case compiledContent:
				file.content = f.Value
			case compiledRaw:
				file.raw = f.Value
			}
		}
		files[path] = file
	}
	return files
}

// kept takes f from what was compiled before, if it and all it imports are still what they were.
func (l *loader) kept(f *File) bool {
	before, ok := l.compiled[f.Path]
	if sum := sha256.Sum256(f.Content); !ok || string(before.content) != string(sum[:]) {
		return false
	}
	declarations, err := descriptor.Declarations(before.raw)
	if err != nil {
		return false
	}
	fd, err := unmarshal(declarations)
	if err != nil {
		return false
	}
	l.stack = append(l.stack, f.Path)
	defer func() { l.stack = l.stack[:len(l.stack)-1] }()
	for _, importPath := range fd.GetDependency() {
		imported := l.load(importPath, diag.Pos{File: f.Disk}, true)
		if imported == nil || imported.Known == nil && !imported.Kept {
			return false
		}
	}
	f.Proto, f.Raw, f.Kept = fd, before.raw, true
	return true
}

func unmarshal(raw []byte) (*descriptorpb.FileDescriptorProto, error) {
	fd := &descriptorpb.FileDescriptorProto{}
	return fd, proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(raw, fd)
}

// rebuild links the names of a file that was compiled before, and leaves the rest to File.Desc.
func (r *results) rebuild(f *File) error {
	var err error
	f.Names, err = r.declared.link(f.Proto)
	f.link = func() (protoreflect.FileDescriptor, error) {
		for _, importPath := range f.Proto.GetDependency() {
			if imported := r.files[importPath]; imported != nil {
				imported.Desc() // without it the link fails, too
			}
		}
		whole, err := unmarshal(f.Raw)
		if err != nil {
			return nil, err
		}
		return r.whole.link(whole)
	}
	return err
}

// Desc is what the compiler makes of the file. Of a Kept file it is made when it is first asked for, which is not to be done by
// several goroutines. Where it cannot be made, it is Names, and Schema.Err tells why.
func (f *File) Desc() protoreflect.FileDescriptor {
	if f.desc == nil {
		if f.desc, f.failed = f.link(); f.failed != nil {
			f.desc = f.Names
		}
	}
	return f.desc
}

// Err is why a Desc that was asked for lacks the fields of messages: then compile again without Input.Compiled.
func (s *Schema) Err() error {
	for _, f := range s.Files {
		if f.failed != nil {
			return fmt.Errorf("link %s as it was compiled before: %w", f.Path, f.failed)
		}
	}
	return nil
}

// resolver finds what it has linked of what was compiled before, and what is linked in.
type resolver struct{ kept protoregistry.Files }

// link links the next file.
func (r *resolver) link(fd *descriptorpb.FileDescriptorProto) (protoreflect.FileDescriptor, error) {
	linked, err := protodesc.NewFile(fd, r)
	if err != nil {
		return nil, err
	}
	return linked, r.kept.RegisterFile(linked)
}

// FindFileByPath finds a file that was linked already.
func (r *resolver) FindFileByPath(importPath string) (protoreflect.FileDescriptor, error) {
	fd, err := r.kept.FindFileByPath(importPath)
	if !errors.Is(err, protoregistry.NotFound) {
		return fd, err
	}
	if linked := lookupKnown(importPath); linked != nil {
		return linked.desc, nil
	}
	return nil, protoregistry.NotFound
}

// FindDescriptorByName finds a declaration of such a file.
func (r *resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	d, err := r.kept.FindDescriptorByName(name)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalFiles.FindDescriptorByName(name)
	}
	return d, err
}
