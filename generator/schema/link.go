package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/bufbuild/protocompile/sourceinfo"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator/parallel"
)

// linking links files behind the loader, which goes on parsing: group by group, imports first. The syntax trees and
// the positions go with their group, as in a large closure they would take many times the memory of all that is kept.
type linking struct {
	ctx     context.Context //nolint:containedctx // of the one Compile this is a part of
	group   []parsed        // complete with its imports, and not linked yet
	size    int             // of the group, in bytes
	work    parallel.Group
	results // only the work in hand touches them
}

// parsed is a file on its way from the parser to the linker.
type parsed struct {
	file *File
	tree *ast.FileNode // nil: the file was compiled before
}

// results are what was linked so far.
type results struct {
	files    map[string]*File
	declared resolver // what files declare that were compiled before
	whole    resolver // the same files, as far as more of them was wanted
	names    names
	warnings []reporter.ErrorWithPos
	failed   error
}

// groupSize is when a group is linked, in bytes of source: enough to be worth the start, little enough to be done before
// the next is parsed.
const groupSize = 128 << 10

func newLinking(ctx context.Context) *linking {
	k := &linking{ctx: ctx, results: results{files: make(map[string]*File), names: make(names)}}
	k.work.SetLimit(1)
	return k
}

// add takes a file whose imports were added before it.
func (k *linking) add(p parsed) {
	k.group = append(k.group, p)
	if k.size += len(p.file.Content); k.size >= groupSize {
		k.flush()
	}
}

func (k *linking) flush() {
	group := k.group
	k.group, k.size = nil, 0
	k.work.Go(func() error {
		if k.failed == nil {
			k.failed = k.link(k.ctx, group, reporter.NewReporter(nil, func(w reporter.ErrorWithPos) { k.warnings = append(k.warnings, w) }))
		}
		return k.failed
	})
}

// wait links what is left. An error stops at the first mistake: linkAtOnce finds the others.
func (k *linking) wait() error {
	k.flush()
	return k.work.Wait()
}

// linkAtOnce links all files in one go, which reports every mistake in any of them.
func (l *loader) linkAtOnce(ctx context.Context) error {
	var group []parsed
	for _, f := range l.order {
		if f.Known != nil {
			continue
		}
		tree := l.parse(f)
		if tree == nil {
			return errors.New("a file changed its meaning while it was read") // it was parsed before
		}
		group = append(group, parsed{f, tree})
	}
	k := newLinking(ctx)
	return k.link(ctx, group, reporter.NewReporter(l.report, l.warn))
}

// link runs the compiler over a group.
func (r *results) link(ctx context.Context, group []parsed, to reporter.Reporter) error {
	trees := make(map[string]*ast.FileNode, len(group))
	var paths []string
	for _, p := range group {
		if p.tree != nil {
			trees[p.file.Path], paths = p.tree, append(paths, p.file.Path)
			continue
		}
		if err := r.rebuild(p.file); err != nil {
			return err
		}
		if err := r.add(p.file); err != nil {
			return err
		}
	}
	if err := r.complete(group); err != nil {
		return err
	}
	// What was parsed and linked is handed over; the compiler never reads a file itself.
	find := func(importPath string) (protocompile.SearchResult, error) {
		if tree := trees[importPath]; tree != nil {
			return protocompile.SearchResult{AST: tree}, nil
		}
		if done := r.files[importPath]; done != nil {
			return protocompile.SearchResult{Desc: done.Desc()}, nil
		}
		if k := lookupKnown(importPath); k != nil {
			return protocompile.SearchResult{Desc: k.desc}, nil
		}
		return protocompile.SearchResult{}, errors.New("not found")
	}
	compiler := protocompile.Compiler{Resolver: protocompile.ResolverFunc(find), Reporter: to}
	linked, err := compiler.Compile(ctx, paths...)
	if err != nil {
		return err
	}
	for _, p := range group {
		if p.tree == nil {
			continue
		}
		p.file.desc, linked = linked[0], linked[1:]
		p.file.Names = p.file.desc
		p.file.setLocations(wanted(sourceinfo.GenerateSourceInfo(p.tree, nil)))
		if p.file.Raw, err = serialize(p.file.Proto); err != nil {
			return err
		}
		if err := r.add(p.file); err != nil {
			return err
		}
	}
	return nil
}

// complete links all of the files that a group imports, of which there may be no more than names: the compiler asks for them from
// several goroutines.
func (r *results) complete(group []parsed) error {
	for _, p := range group {
		if p.tree == nil {
			continue
		}
		for _, decl := range p.tree.Decls {
			imp, ok := decl.(*ast.ImportNode)
			if !ok {
				continue
			}
			if f := r.files[imp.Name.AsString()]; f != nil {
				f.Desc()
				if f.failed != nil {
					return f.failed
				}
			}
		}
	}
	return nil
}

func serialize(fd *descriptorpb.FileDescriptorProto) ([]byte, error) {
	return proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(fd)
}

// add takes a linked file into the results.
func (r *results) add(f *File) error {
	if !r.names.add(f.Names) {
		return errClash
	}
	r.files[f.Path] = f
	return nil
}

// names are what linked files declare outside of messages, and the numbers of their extensions. The linker has them too, but
// with each it would hold on to the text and the tokens of its file.
type names map[string]use

// use is what a name stands for.
type use int

const (
	declared use = iota + 1
	inPackage
)

// errClash says that two groups may declare the same: linkAtOnce knows.
var errClash = errors.New("a name is declared twice")

// add reports whether the names of fd were free.
func (n names) add(fd protoreflect.FileDescriptor) bool {
	ok := true
	take := func(name string, as use) {
		if other := n[name]; other == declared || other == inPackage && as == declared {
			ok = false
		}
		n[name] = as
	}
	for pkg := fd.Package(); pkg != ""; pkg = pkg.Parent() {
		take(string(pkg), inPackage)
	}
	for i := range fd.Messages().Len() {
		take(string(fd.Messages().Get(i).FullName()), declared)
	}
	for i := range fd.Services().Len() {
		take(string(fd.Services().Get(i).FullName()), declared)
	}
	for i := range fd.Enums().Len() {
		enum := fd.Enums().Get(i)
		take(string(enum.FullName()), declared)
		for j := range enum.Values().Len() {
			take(string(enum.Values().Get(j).FullName()), declared) // a sibling of its enum
		}
	}
	for i := range fd.Extensions().Len() {
		take(string(fd.Extensions().Get(i).FullName()), declared)
	}
	numbers(fd, func(x protoreflect.ExtensionDescriptor) {
		take(fmt.Sprintf("%s %d", x.ContainingMessage().FullName(), x.Number()), declared)
	})
	return ok
}

// numbers calls do for all extensions declared in a file or message.
func numbers(in interface {
	Extensions() protoreflect.ExtensionDescriptors
	Messages() protoreflect.MessageDescriptors
}, do func(protoreflect.ExtensionDescriptor)) {
	for i := range in.Extensions().Len() {
		do(in.Extensions().Get(i))
	}
	for i := range in.Messages().Len() {
		numbers(in.Messages().Get(i), do)
	}
}

// setLocations gives a linked file its comments and positions.
func (f *File) setLocations(info *descriptorpb.SourceCodeInfo) {
	if r, ok := f.desc.(linker.Result); ok {
		f.Proto = r.FileDescriptorProto()
		f.Proto.SourceCodeInfo = info
		r.PopulateSourceCodeInfo()
	}
}

// Fields of a file's descriptor that lead to methods.
const (
	serviceField = 6
	methodField  = 2
)

// wanted are the locations that a run without a mistake asks for: those with a comment, and the names of services and
// methods. They are few of all, which File.locate brings back.
func wanted(info *descriptorpb.SourceCodeInfo) *descriptorpb.SourceCodeInfo {
	few := &descriptorpb.SourceCodeInfo{}
	for _, l := range info.GetLocation() {
		p := l.GetPath()
		service := len(p) >= 2 && p[0] == serviceField
		served := service && (len(p) <= 3 || len(p) <= 5 && p[2] == methodField)
		if served || l.LeadingComments != nil || l.TrailingComments != nil || len(l.GetLeadingDetachedComments()) > 0 {
			few.Location = append(few.Location, l)
		}
	}
	return few
}

// locate finds all positions of a file again.
func (f *File) locate() {
	if f.located {
		return
	}
	f.located = true
	tree, err := parser.Parse(f.Path, bytes.NewReader(f.Content), reporter.NewHandler(nil))
	if err == nil { // as it was the first time
		f.setLocations(sourceinfo.GenerateSourceInfo(tree, nil))
	}
}

// provided gives a file its descriptor from the Go module that provides it.
func (f *File) provided() {
	f.desc, f.Names = f.Known.desc, f.Known.desc
	f.Proto = protodesc.ToFileDescriptorProto(f.Known.desc)
	raw, err := serialize(f.Proto)
	if err != nil {
		panic(err) // it was read from bytes
	}
	f.Raw = raw
}
