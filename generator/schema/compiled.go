package schema

import (
	"crypto/sha256"
	"errors"

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
	var out, file []byte
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
	fd := &descriptorpb.FileDescriptorProto{}
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(before.raw, fd); err != nil {
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

// rebuild links a file that was compiled before.
func (r *results) rebuild(f *File) error {
	fd, err := protodesc.NewFile(f.Proto, resolver{&r.kept})
	if err != nil {
		return err
	}
	f.Desc = fd
	return r.kept.RegisterFile(fd)
}

// resolver finds what was compiled before, and what is linked in.
type resolver struct{ kept *protoregistry.Files }

func (r resolver) FindFileByPath(importPath string) (protoreflect.FileDescriptor, error) {
	fd, err := r.kept.FindFileByPath(importPath)
	if !errors.Is(err, protoregistry.NotFound) {
		return fd, err
	}
	if linked := lookupKnown(importPath); linked != nil {
		return linked.desc, nil
	}
	return nil, protoregistry.NotFound
}

func (r resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	d, err := r.kept.FindDescriptorByName(name)
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.GlobalFiles.FindDescriptorByName(name)
	}
	return d, err
}
