package drift

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Differing reads two serialized sets of files, for Compare, as far as they can differ: a file that is the same in both is
// left out, unless one that is not reaches it by imports or is reached from it. Of many protos one changes at a time, and
// reading and linking the others takes longer than comparing.
func Differing(before, after []byte) (old, now *descriptorpb.FileDescriptorSet, err error) {
	was, err := scan(before)
	if err != nil {
		return nil, nil, err
	}
	is, err := scan(after)
	if err != nil {
		return nil, nil, err
	}
	differs := map[string]bool{}
	for _, f := range slices.Concat(was, is) {
		differs[f.name] = !bytes.Equal(was.find(f.name).content, is.find(f.name).content)
	}
	if old, err = was.read(was.concerned(differs)); err != nil {
		return nil, nil, err
	}
	now, err = is.read(is.concerned(differs))
	return old, now, err
}

// scanned are the files of a set, in its order.
type scanned []scannedFile

type scannedFile struct {
	name    string
	content []byte
	imports []string
}

// Fields of FileDescriptorSet and of FileDescriptorProto.
const (
	fileField       protowire.Number = 1
	nameField       protowire.Number = 1
	dependencyField protowire.Number = 3
)

func scan(set []byte) (files scanned, err error) {
	err = fields(set, func(field protowire.Number, content []byte) error {
		if field != fileField {
			return nil
		}
		file := scannedFile{content: content}
		err := fields(content, func(field protowire.Number, value []byte) error {
			switch field {
			case nameField:
				file.name = string(value)
			case dependencyField:
				file.imports = append(file.imports, string(value))
			}
			return nil
		})
		files = append(files, file)
		return err
	})
	return files, err
}

// find is the file of that name, an empty one if there is none.
func (s scanned) find(name string) scannedFile {
	for _, f := range s {
		if f.name == name {
			return f
		}
	}
	return scannedFile{}
}

// concerned are the names of the files that reach one that differs, and of all that those import.
func (s scanned) concerned(differs map[string]bool) map[string]bool {
	reach, concerned := map[string]bool{}, map[string]bool{}
	for _, f := range s { // what a file imports stands before it
		reach[f.name] = differs[f.name] || slices.ContainsFunc(f.imports, func(name string) bool { return reach[name] })
	}
	for _, f := range slices.Backward(s) {
		if !reach[f.name] && !concerned[f.name] {
			continue
		}
		concerned[f.name] = true
		for _, name := range f.imports {
			concerned[name] = true
		}
	}
	return concerned
}

// read parses those files that are wanted.
func (s scanned) read(want map[string]bool) (*descriptorpb.FileDescriptorSet, error) {
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range s {
		if !want[f.name] {
			continue
		}
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(f.content, file); err != nil {
			return nil, fmt.Errorf("read the descriptor of %s: %w", f.name, err)
		}
		set.File = append(set.File, file)
	}
	return set, nil
}

// fields calls do with each field of a serialized message that is bytes.
func fields(message []byte, do func(field protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeField(message)
		if n < 0 {
			return fmt.Errorf("read a descriptor: %w", protowire.ParseError(n))
		}
		if kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			value, _ := protowire.ConsumeBytes(message[tag:])
			if err := do(field, value); err != nil {
				return err
			}
		}
		message = message[n:]
	}
	return nil
}
