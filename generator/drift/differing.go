package drift

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/descriptor"
)

// Differing reads two serialized sets of files, for Compare, as far as they can differ: a file that is the same in both is
// left out, unless one that is not reaches it by imports or is reached from it, before or after. Of many protos one changes at a time, and
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
	want := was.concerned(differs)
	maps.Copy(want, is.concerned(differs)) // what one of them has not, the other would miss
	if old, err = was.read(want); err != nil {
		return nil, nil, err
	}
	now, err = is.read(want)
	return old, now, err
}

// scanned are the files of a set, in its order.
type scanned []scannedFile

type scannedFile struct {
	name    string
	content []byte
	imports []string
}

func scan(set []byte) (files scanned, err error) {
	for member, err := range descriptor.Fields(set) {
		if err != nil {
			return nil, err
		}
		if member.Number != descriptor.SetFile {
			continue
		}
		file := scannedFile{content: member.Value}
		for f, err := range descriptor.Fields(member.Value) {
			if err != nil {
				return nil, err
			}
			switch f.Number {
			case descriptor.FileName:
				file.name = string(f.Value)
			case descriptor.FileDependency:
				file.imports = append(file.imports, string(f.Value))
			}
		}
		files = append(files, file)
	}
	return files, nil
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
