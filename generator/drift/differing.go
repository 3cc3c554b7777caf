package drift

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/descriptor"
)

// Differing reads two serialized sets of files, for Compare, as far as they can differ. A file that is the same in both is left out,
// unless one that is not reaches it by imports or is reached from it, before or after. In a file that is left, a message has
// fields only where such a thing is true of it and another declaration. Of many protos one changes at a time, and of its
// messages few; to read and link the others takes longer than to compare.
func Differing(before, after []byte) (old, now *descriptorpb.FileDescriptorSet, err error) {
	was, err := scan(before)
	if err != nil {
		return nil, nil, err
	}
	is, err := scan(after)
	if err != nil {
		return nil, nil, err
	}
	differ := map[string]bool{}
	for _, f := range slices.Concat(was, is) {
		differ[f.name] = !bytes.Equal(was.find(f.name).content, is.find(f.name).content)
	}
	files := was.concerned(differ)
	maps.Copy(files, is.concerned(differ)) // what one of them has not, the other would miss

	had, err := was.declarations(files)
	if err != nil {
		return nil, nil, err
	}
	has, err := is.declarations(files)
	if err != nil {
		return nil, nil, err
	}
	differ = had.differing(has)
	wanted := had.concerned(differ)
	maps.Copy(wanted, has.concerned(differ))
	if old, err = was.read(wanted); err != nil {
		return nil, nil, err
	}
	now, err = is.read(wanted)
	return old, now, err
}

// scanned are the files of a set, in its order.
type scanned []scannedFile

type scannedFile struct {
	name    string
	content []byte
	imports []string
	parts   []part // where it is concerned
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
func (s scanned) concerned(differ map[string]bool) map[string]bool {
	reach, concerned := map[string]bool{}, map[string]bool{}
	for _, f := range s { // what a file imports stands before it
		reach[f.name] = differ[f.name] || slices.ContainsFunc(f.imports, func(name string) bool { return reach[name] })
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

// declarations are the messages, enums and services of some files, by their full names. What is nested in a message is of it.
type declarations map[string]declaration

type declaration struct {
	content []byte
	file    []byte   // of its file all that is no declaration or import, such as options
	uses    []string // declarations, also of other files
}

// declarations are those of the files that are concerned, which it divides into their parts.
func (s scanned) declarations(concerned map[string]bool) (declarations, error) {
	all := declarations{}
	for i, f := range s {
		if !concerned[f.name] {
			continue
		}
		parts, rest, err := divide(f.content)
		if err != nil {
			return nil, err
		}
		s[i].parts = parts
		for _, p := range parts {
			if p.declares == "" {
				continue
			}
			uses, err := typesIn(p.Field)
			if err != nil {
				return nil, err
			}
			all[p.declares] = declaration{content: p.Value, file: rest, uses: uses}
		}
	}
	for name, d := range all {
		for i, use := range d.uses {
			d.uses[i] = all.outermost(use)
		}
		all[name] = d
	}
	return all, nil
}

// outermost is the declaration that name is, or is nested in; empty where it is none of these.
func (all declarations) outermost(name string) string {
	for name = strings.TrimPrefix(name, "."); name != ""; name = name[:max(0, strings.LastIndexByte(name, '.'))] {
		if _, ok := all[name]; ok {
			return name
		}
	}
	return ""
}

// differing are the names of those that are not the same in both.
func (all declarations) differing(others declarations) map[string]bool {
	names := map[string]bool{}
	for name := range all {
		names[name] = true
	}
	for name := range others {
		names[name] = true
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool {
		d, in := all[name]
		o, inOthers := others[name]
		return in && inOthers && bytes.Equal(d.content, o.content) && bytes.Equal(d.file, o.file)
	})
	return names
}

// concerned are those that differ, those from which one of them is reached, and all that they reach.
func (all declarations) concerned(differ map[string]bool) map[string]bool {
	users := map[string][]string{}
	for name, d := range all {
		for _, use := range d.uses {
			users[use] = append(users[use], name)
		}
	}
	concerned := reached(differ, func(name string) []string { return users[name] })
	maps.Copy(concerned, reached(differ, func(name string) []string { return all[name].uses }))
	return concerned
}

// reached are the names from which next leads on, and those to which it does.
func reached(from map[string]bool, next func(string) []string) map[string]bool {
	reached := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		for _, n := range next(name) {
			visit(n)
		}
	}
	for name := range from {
		visit(name)
	}
	return reached
}

// part is a field of a file's descriptor.
type part struct {
	descriptor.Field
	declares string // the full name of what it declares, if it does
}

// divide returns the parts of a file but for extensions, which are not compared, and what all that it declares depends on.
func divide(file []byte) (parts []part, rest []byte, err error) {
	prefix := ""
	for field, err := range descriptor.Fields(file) {
		if err != nil {
			return nil, nil, err
		}
		p := part{Field: field}
		switch field.Number {
		case descriptor.FileExtensions, descriptor.FileSourceInfo:
			continue
		case descriptor.FileMessages, descriptor.FileEnums, descriptor.FileServices:
			name, err := descriptor.NameOf(field.Value)
			if err != nil {
				return nil, nil, err
			}
			p.declares = prefix + name
		case descriptor.FilePackage: // stands before what is declared in it
			prefix = string(field.Value) + "."
			rest = append(rest, field.Whole...)
		case descriptor.FileDependency:
		default:
			rest = append(rest, field.Whole...)
		}
		parts = append(parts, p)
	}
	return parts, rest, nil
}

// typesIn are the full names of the messages and enums in the fields or methods of what a file declares.
func typesIn(declares descriptor.Field) ([]string, error) {
	switch declares.Number {
	case descriptor.FileMessages:
		return descriptor.MessageTypes(declares.Value)
	case descriptor.FileServices:
		return descriptor.ServiceTypes(declares.Value)
	}
	return nil, nil
}

// read parses the files that are concerned. Messages that are not wanted have no fields: with their names, all that refers to
// them is linked as it was.
func (s scanned) read(wanted map[string]bool) (*descriptorpb.FileDescriptorSet, error) {
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range s {
		if f.parts == nil {
			continue
		}
		var content []byte
		for _, p := range f.parts {
			if p.Number != descriptor.FileMessages || wanted[p.declares] {
				content = append(content, p.Whole...)
				continue
			}
			bare, err := descriptor.BareMessage(p.Value)
			if err != nil {
				return nil, err
			}
			content = descriptor.Append(content, descriptor.FileMessages, bare)
		}
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(content, file); err != nil {
			return nil, fmt.Errorf("read the descriptor of %s: %w", f.name, err)
		}
		set.File = append(set.File, file)
	}
	return set, nil
}
