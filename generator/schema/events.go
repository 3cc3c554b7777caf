package schema

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// message makes sure that the file declaring a message is loaded, if there is one: an event may live in a file
// that no listed file imports. It is looked for in the folder its package suggests, acme/payments/v1 for
// acme.payments.v1, in every root. When none is found, package ir says so: it knows what was meant.
func (l *loader) message(e Entry) {
	if k := Registered(protoreflect.FullName(e.Path)); k != nil {
		if l.files[k.Path] == nil {
			l.loadKnown(k)
		}
		return
	}
	if l.declared(e.Path) {
		return
	}
	elems := strings.Split(e.Path, ".")
	for n := len(elems) - 1; n > 0; n-- {
		decl := regexp.MustCompile(`(?m)^\s*message\s+` + regexp.QuoteMeta(elems[n]) + `\b`)
		pkg := regexp.MustCompile(`(?m)^\s*package\s+` + regexp.QuoteMeta(strings.Join(elems[:n], ".")) + `\s*;`)
		for _, root := range l.roots {
			dir := strings.Join(elems[:n], "/")
			rel, ok := root.rel(dir)
			if dir == root.Prefix {
				rel, ok = ".", true
			}
			if !ok {
				continue
			}
			names, err := fs.Glob(root.fsys, path.Join(rel, "*.proto"))
			if err != nil {
				continue // the pattern is made of identifiers; only a folder that cannot be read gets here
			}
			for _, name := range names {
				content, err := root.read(name, l.limits.FileSize)
				if err == nil && pkg.Match(content) && decl.Match(content) {
					l.load(path.Join(root.Prefix, name), e.Pos, true)
					return
				}
			}
		}
	}
}

// declare notes the messages of a file.
func (l *loader) declare(tree *ast.FileNode) {
	pkg := ""
	for _, decl := range tree.Decls {
		if p, ok := decl.(*ast.PackageNode); ok {
			pkg = string(p.Name.AsIdentifier()) + "."
		}
	}
	for _, decl := range tree.Decls {
		if m, ok := decl.(*ast.MessageNode); ok {
			l.tops[pkg+m.Name.Val] = true
		}
	}
}

// declareKept does the same for a file that was compiled before.
func (l *loader) declareKept(fd *descriptorpb.FileDescriptorProto) {
	for _, m := range fd.GetMessageType() {
		l.tops[string(protoreflect.FullName(fd.GetPackage()).Append(protoreflect.Name(m.GetName())))] = true
	}
}

// declared reports whether a loaded file declares the message of a full name, or one around it.
func (l *loader) declared(fullName string) bool {
	for name := fullName; ; {
		if l.tops[name] {
			return true
		}
		i := strings.LastIndexByte(name, '.')
		if i < 0 {
			return false
		}
		name = name[:i]
	}
}
