// Package evolve decides what a changed contract asks of the user's Go code, and makes those edits in memory: the
// types of a method's signature, the import of a package that moved, the name of a method whose streaming kind
// changed or that the user says was renamed. Two contracts go in, then files; edited files and a note for each edit
// come out. It adds and removes no declaration, never edits a body, and writes nothing.
package evolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/naming"
)

// Decl is a method of a type of the user's package.
type Decl struct{ Type, Method string }

func (d Decl) String() string { return d.Type + "." + d.Method }

// source is what asks for the method.
func (d Decl) source() string {
	if d.Type == contract.Consumers {
		return "manifest"
	}
	return "proto"
}

// Plan is what the user's code is to be brought to. The zero Plan changes nothing.
type Plan struct {
	Folder, Package string
	Places          map[Decl]string // the files that methods and types have to themselves, where they have one

	moved    []move             // imports
	changed  map[Decl]signature // methods with other types or another streaming kind than before
	added    map[Decl]signature // methods that the last contract did not have
	gone     []gone
	emits    []emit
	renames  []Rename
	declared map[Decl]bool // all methods of the new contract

	module    string
	oldModule string            // of the last contract; empty where that did not say
	folders   []move            // of the module, since the service is called otherwise
	generated []string          // import paths of messages
	packages  map[string]string // what those are called, by import path
	goNames   map[string]string // the names of services in generated code, by their types in the user's
	stubs     map[string]string // the import paths of that code, now, by the same
}

type move struct{ from, to string }

type signature struct {
	want    goedit.Signature
	from    Decl    // what the method was called
	kind    ir.Kind // now
	was     ir.Kind
	unsure  bool          // the last contract does not know what it was
	stream  goedit.Type   // that it was given; zero where there was none
	aliases []goedit.Type // of that, in generated code
}

// anew is what the method has to look like when it is written again: an alias of before is another type now.
func (s signature) anew() goedit.Signature {
	want := goedit.Signature{Params: slices.Clone(s.want.Params), Results: s.want.Results}
	for i := range want.Params {
		want.Params[i].Also = nil
	}
	return want
}

type gone struct {
	decl Decl
	hint string
}

// emit is an event that a method is to publish, and was not asked to by the last contract.
type emit struct {
	decl  Decl
	event contract.Event
	test  string // the file that waits for it
}

// Compare says what it takes to come from old to now. Without an old contract nothing is known to have changed.
func Compare(old *contract.Contract, now contract.Contract, renames []Rename) (Plan, error) {
	renames = followed(renames)
	p := Plan{
		Folder: now.Folder, Package: now.Package, renames: renames,
		changed: map[Decl]signature{}, added: map[Decl]signature{}, declared: map[Decl]bool{}, packages: map[string]string{},
	}
	p.services(old, now)
	p.name(now)
	if old != nil {
		p.oldModule = old.Module
		p.name(*old)
		for _, m := range []move{{old.Folder, now.Folder}, {old.Program, now.Program}} {
			if m.from != "" && m.from != m.to {
				p.folders = append(p.folders, m)
			}
		}
	}
	if err := p.checkRenames(old, now); err != nil {
		return Plan{}, err
	}
	old = rebased(handling(renamed(old, renames), now), now.Module)
	if old != nil {
		if err := mixedUp(*old, now); err != nil {
			return Plan{}, err
		}
		p.moved = moves(*old, now)
	}
	before := methodsOf(old)
	from := map[Decl]Decl{} // where a renamed method comes from
	for _, r := range renames {
		from[r.To] = r.From
	}
	for _, s := range now.Types() {
		for _, m := range s.Methods {
			decl := Decl{s.Type, m.Name}
			source, renamed := from[decl]
			if !renamed {
				source = decl
			}
			was, known := before[source]
			if known && !renamed && (was.Same(m) || handles(now, was)) {
				// It is as it was, or another handler has its event now: a body of this name is for that one.
				continue
			}
			is := signature{want: p.signatureOf(s.Type, m), from: source, kind: m.Kind, was: m.Kind}
			switch {
			case known && !was.Same(m):
				is.was, is.stream, is.aliases = was.Kind, p.streamOf(was), p.aliases(source.Type, source.Method)
				p.changed[decl] = is
			case renamed: // the next run knows nothing of the old one's types
				is.unsure = !known && m.Kind != contract.Handler // that one is never streamed
				p.changed[decl] = is
			case old != nil:
				is.unsure = true
				p.added[decl] = is
			}
		}
	}
	if old != nil {
		p.lose(*old, now)
		p.emits = emits(*old, now)
	}
	return p, nil
}

// emits are the events that methods are to publish now, and were not before.
func emits(old, now contract.Contract) []emit {
	var list []emit
	for _, e := range now.Events {
		var before []string
		for _, was := range old.Events {
			if was.Message == e.Message {
				before = was.On
			}
		}
		for _, on := range e.On {
			if typ, method, _ := strings.Cut(on, "."); !slices.Contains(before, on) {
				list = append(list, emit{Decl{typ, method}, e, now.Program + "/publishes_test.go"})
			}
		}
	}
	return list
}

// methodsOf are the methods of a contract by their names.
func methodsOf(c *contract.Contract) map[Decl]contract.Method {
	if c == nil {
		return nil
	}
	methods := map[Decl]contract.Method{}
	for _, s := range c.Types() {
		for _, m := range s.Methods {
			methods[Decl{s.Type, m.Name}] = m
		}
	}
	return methods
}

// name notes what the packages are called that methods have their types from: as svcgen calls their imports.
func (p *Plan) name(c contract.Contract) {
	for _, s := range c.Types() {
		for _, m := range s.Methods {
			for _, t := range []contract.Type{m.In, m.Out} {
				p.packages[t.Path] = t.Alias
			}
		}
	}
}

// handling is the contract c with the handlers of now where it does not know them: an earlier svcgen did not keep them.
func handling(c *contract.Contract, now contract.Contract) *contract.Contract {
	if c == nil || c.Consumes != nil {
		return c
	}
	known := *c
	known.Consumes = now.Consumes
	return &known
}

// handles reports whether the message that m handles has a handler in c.
func handles(c contract.Contract, m contract.Method) bool {
	return m.Kind == contract.Handler && slices.ContainsFunc(c.Consumes, func(h contract.Method) bool { return h.In.Same(m.In) })
}

// rebased is the contract c with the path that its module has now.
func rebased(c *contract.Contract, module string) *contract.Contract {
	if c == nil || c.Module == "" || c.Module == module {
		return c
	}
	follow := func(importPath string) string {
		if rest, ours := strings.CutPrefix(importPath, c.Module+"/"); ours {
			return module + "/" + rest
		}
		return importPath
	}
	followAll := func(methods []contract.Method) []contract.Method {
		methods = slices.Clone(methods)
		for i := range methods {
			methods[i].In.Path, methods[i].Out.Path = follow(methods[i].In.Path), follow(methods[i].Out.Path)
		}
		return methods
	}
	now := *c
	now.Services, now.Messages, now.Consumes = slices.Clone(c.Services), slices.Clone(c.Messages), followAll(c.Consumes)
	for i := range now.Messages {
		now.Messages[i].Path = follow(now.Messages[i].Path)
	}
	for i := range now.Services {
		now.Services[i].Methods = followAll(now.Services[i].Methods)
	}
	return &now
}

// services notes what the contracts say of the names of services.
func (p *Plan) services(old *contract.Contract, now contract.Contract) {
	for _, m := range now.Messages {
		p.generated = append(p.generated, m.Path)
	}
	p.module, p.goNames, p.stubs = now.Module, map[string]string{}, map[string]string{}
	for _, s := range now.Services {
		p.stubs[s.Type] = s.Stubs
	}
	all := now.Services
	for _, s := range now.Types() {
		for _, m := range s.Methods {
			p.declared[Decl{s.Type, m.Name}] = true
		}
	}
	if old != nil {
		all = append(slices.Clone(old.Services), all...)
	}
	for _, s := range all {
		p.goNames[s.Type] = naming.Camel(s.Proto[strings.LastIndexByte(s.Proto, '.')+1:])
	}
}

// Changed reports whether the method has another signature than the last contract gave it.
func (p Plan) Changed(d Decl) bool {
	_, ok := p.changed[d]
	return ok
}

// Added reports whether the last contract did not have the method.
func (p Plan) Added(d Decl) bool {
	_, ok := p.added[d]
	return ok
}

// Restreamed reports whether the method's streaming kind changed, or may have, and what to call the new one.
func (p Plan) Restreamed(d Decl) (suffix string, ok bool) {
	s, ok := p.changed[d]
	if !ok || s.kind == s.was && !s.unsure {
		return "", false
	}
	return string(s.kind), true
}

// moves pairs each package of messages that is gone with the new one that has most of its messages: the others have gone, or have
// other names, and what uses them is pointed to. Of two that have as many, none is it.
func moves(old, now contract.Contract) []move {
	has := func(list []contract.Package, path string) bool {
		return slices.ContainsFunc(list, func(p contract.Package) bool { return p.Path == path })
	}
	var list []move
	for _, was := range old.Messages {
		if has(now.Messages, was.Path) {
			continue
		}
		to, most := "", 0
		for _, is := range now.Messages {
			if has(old.Messages, is.Path) {
				continue
			}
			shared := 0
			for _, name := range was.Types {
				if slices.Contains(is.Types, name) {
					shared++
				}
			}
			switch {
			case shared > most:
				to, most = is.Path, shared
			case shared == most:
				to = ""
			}
		}
		if to != "" {
			list = append(list, move{was.Path, to})
		}
	}
	return list
}

// lose lists the methods that are gone. Where exactly one that is new has the types of exactly one that is gone,
// that may be a rename, and the user is asked. Of a handler the name is that of its type, and any other may be it.
func (p *Plan) lose(old, now contract.Contract) {
	type found struct {
		decl   Decl
		method contract.Method
	}
	only := func(a, b contract.Contract) []found {
		var list []found
		others := methodsOf(&b)
		for _, s := range a.Types() {
			for _, m := range s.Methods {
				if _, both := others[Decl{s.Type, m.Name}]; !both {
					list = append(list, found{Decl{s.Type, m.Name}, m})
				}
			}
		}
		return list
	}
	alike := func(list []found, m contract.Method) []found {
		return slices.DeleteFunc(slices.Clone(list), func(f found) bool {
			return !f.method.Same(m) && (f.method.Kind != contract.Handler || m.Kind != contract.Handler)
		})
	}
	lost, added := only(old, now), only(now, old)
	hints := map[string]string{} // of services that are gone; empty: for each method its own
	for _, s := range old.Services {
		if to, ok := successor(s, old, now); ok && !serves(now, s.Type) {
			hints[s.Type] = fmt.Sprintf("if %s is %s now, svcgen regen --rename %s takes your code there", s.Type, to, Rename{Decl{Type: s.Type}, Decl{Type: to}})
		}
	}
	for _, l := range lost {
		if slices.ContainsFunc(p.renames, func(r Rename) bool { return r.From == l.decl }) {
			continue
		}
		g := gone{decl: l.decl, hint: hints[l.decl.Type]}
		if g.hint != "" {
			p.gone = append(p.gone, g)
			continue
		}
		if to := alike(added, l.method); len(to) == 1 && len(alike(lost, l.method)) == 1 && !handles(now, l.method) {
			g.hint = fmt.Sprintf("if it is %s now, svcgen regen --rename %s takes your code there", to[0].decl, Rename{l.decl, to[0].decl})
		}
		p.gone = append(p.gone, g)
	}
}

func serves(c contract.Contract, typ string) bool {
	return slices.ContainsFunc(c.Types(), func(s contract.Service) bool { return s.Type == typ })
}

// signatureOf is the signature of a method of the service that the user calls typ, or of a handler.
func (p *Plan) signatureOf(typ string, m contract.Method) goedit.Signature {
	in, out := goType(m.In), goType(m.Out)
	in.Star, out.Star = true, true
	failure, ctx := goedit.Type{Name: "error"}, goedit.Type{Path: "context", Alias: "context", Name: "Context"}
	stream := p.streamOf(m)
	stream.Also = p.aliases(typ, m.Name)
	switch m.Kind {
	case contract.Handler:
		tx := goedit.Type{Star: true, Path: p.module + "/internal/gen/store", Alias: "store", Name: "Tx"}
		return goedit.Signature{Params: []goedit.Type{ctx, tx, in}, Results: []goedit.Type{failure}}
	case ir.ServerStream:
		return goedit.Signature{Params: []goedit.Type{in, stream}, Results: []goedit.Type{failure}}
	case ir.ClientStream, ir.BidiStream:
		return goedit.Signature{Params: []goedit.Type{stream}, Results: []goedit.Type{failure}}
	default:
		return goedit.Signature{Params: []goedit.Type{ctx, in}, Results: []goedit.Type{out, failure}}
	}
}

// streamOf is the stream that a method is given.
func (p *Plan) streamOf(m contract.Method) goedit.Type {
	in, out := p.goTypeNow(m.In), p.goTypeNow(m.Out)
	t := goedit.Type{Path: "google.golang.org/grpc", Alias: "grpc"}
	switch m.Kind {
	case ir.ServerStream:
		t.Name, t.Args = "ServerStreamingServer", []goedit.Type{out}
	case ir.ClientStream:
		t.Name, t.Args = "ClientStreamingServer", []goedit.Type{in, out}
	case ir.BidiStream:
		t.Name, t.Args = "BidiStreamingServer", []goedit.Type{in, out}
	default:
		return goedit.Type{}
	}
	return t
}

// aliases are the names that generated code may have for the stream of a method.
func (p *Plan) aliases(typ, method string) []goedit.Type {
	var list []goedit.Type
	for _, path := range p.generated {
		list = append(list, goedit.Type{Path: path, Name: p.goNames[typ] + "_" + method + "Server"})
	}
	return list
}

// goTypeNow is a type of either contract, where its package is now.
func (p *Plan) goTypeNow(t contract.Type) goedit.Type {
	for _, m := range p.moved {
		if m.from == t.Path {
			t.Path = m.to
		}
	}
	return goType(t)
}

func goType(t contract.Type) goedit.Type {
	return goedit.Type{Path: t.Path, Alias: t.Alias, Name: t.Name}
}

// Empty reports whether there is nothing to edit and nothing to say.
func (p Plan) Empty() bool {
	return !p.rebases() && len(p.folders) == 0 && len(p.moved) == 0 && len(p.changed) == 0 && len(p.added) == 0 && len(p.gone) == 0 &&
		len(p.emits) == 0 && len(p.renames) == 0
}

// rebases reports whether the module has another path.
func (p Plan) rebases() bool { return p.oldModule != "" && p.oldModule != p.module }

// Everywhere reports whether files outside of the user's package may need an edit.
func (p Plan) Everywhere() bool {
	return p.rebases() || len(p.folders) > 0 || len(p.moved) > 0 || slices.ContainsFunc(p.renames, Rename.ofService)
}

// Follows reports whether the user's own method may become d.
func (p Plan) Follows(d Decl) bool {
	return slices.ContainsFunc(p.renames, func(r Rename) bool { return r.To == d || r.ofService() && r.To.Type == d.Type })
}

// Awaited reports whether the user's own method, or type, becomes d, so that a stub for it has to go.
func (p Plan) Awaited(d Decl) bool {
	return slices.ContainsFunc(p.renames, func(r Rename) bool { return r.To == d })
}
