package ir

import (
	"iter"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// allMessages are the messages of a file, nested ones behind those around them, without the entries of maps.
func allMessages(fd protoreflect.FileDescriptor) iter.Seq[protoreflect.MessageDescriptor] {
	return func(yield func(protoreflect.MessageDescriptor) bool) {
		walkMessages(fd.Messages(), yield)
	}
}

func walkMessages(list protoreflect.MessageDescriptors, yield func(protoreflect.MessageDescriptor) bool) bool {
	for i := range list.Len() {
		m := list.Get(i)
		if m.IsMapEntry() {
			continue
		}
		if !yield(m) || !walkMessages(m.Messages(), yield) {
			return false
		}
	}
	return true
}

// declarations are the top-level declarations of a file.
func declarations(fd protoreflect.FileDescriptor) iter.Seq[protoreflect.Descriptor] {
	return func(yield func(protoreflect.Descriptor) bool) {
		_ = yieldAll(fd.Messages(), yield) && yieldAll(fd.Enums(), yield) &&
			yieldAll(fd.Services(), yield) && yieldAll(fd.Extensions(), yield)
	}
}

// allExtensions are the extensions a file declares, also inside of messages.
func allExtensions(fd protoreflect.FileDescriptor) iter.Seq[protoreflect.ExtensionDescriptor] {
	return func(yield func(protoreflect.ExtensionDescriptor) bool) {
		lists := []protoreflect.ExtensionDescriptors{fd.Extensions()}
		for m := range allMessages(fd) {
			lists = append(lists, m.Extensions())
		}
		for _, list := range lists {
			for i := range list.Len() {
				if !yield(list.Get(i)) {
					return
				}
			}
		}
	}
}

// yieldAll yields the elements of a list; it reports whether to go on.
func yieldAll[D protoreflect.Descriptor](list interface {
	Len() int
	Get(int) D
}, yield func(protoreflect.Descriptor) bool) bool {
	for i := range list.Len() {
		if !yield(list.Get(i)) {
			return false
		}
	}
	return true
}

// inPackage is the full name of d without its package.
func inPackage(d protoreflect.Descriptor) string {
	pkg := d.ParentFile().Package()
	if pkg == "" {
		return string(d.FullName())
	}
	return strings.TrimPrefix(string(d.FullName()), string(pkg)+".")
}

// sanitized is s as part of a Go identifier, as protoc-gen-go has it in the names of file descriptors.
func sanitized(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, s)
}
