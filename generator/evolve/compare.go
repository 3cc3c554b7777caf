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

	moved    []move             // imports
	changed  map[Decl]signature // methods with other types or another streaming kind than before
	added    map[Decl]signature // methods that the last contract did not have
	gone     []gone
	renames  []Rename
	declared map[Decl]bool // all methods of the new contract

	module    string
	oldModule string            // of the last contract; empty where that did not say
	folders   []move            // of the module, since the service is called otherwise
	generated []string          // import paths of messages
	goNames   map[string]string // the names of services in generated code, by their types in the user's
}

type move struct{ from, to string }

type signature struct {
	want goedit.Signature
	kind ir.Kind // now
	was  ir.Kind
}

type gone struct {
	decl Decl
	hint string
}

// Compare says what it takes to come from old to now. Without an old contract nothing is known to have changed.
func Compare(old *contract.Contract, now contract.Contract, renames []Rename) (Plan, error) {
	p := Plan{
		Folder: now.Folder, Package: now.Package, renames: renames,
		changed: map[Decl]signature{}, added: map[Decl]signature{}, declared: map[Decl]bool{},
	}
	p.services(old, now)
	if old != nil {
		p.oldModule = old.Module
		for _, m := range []move{{old.Folder, now.Folder}, {old.Program, now.Program}} {
			if m.from != "" && m.from != m.to {
				p.folders = append(p.folders, m)
			}
		}
	}
	if err := p.checkRenames(); err != nil {
		return Plan{}, err
	}
	old = rebased(handling(renamed(old, renames), now), now.Module)
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
			var was contract.Method
			known := false
			if old != nil {
				was, known = old.Method(source.Type, source.Method)
			}
			switch {
			case known && !renamed && handles(now, was) && !was.Same(m):
				// Another handler has its event now: a body of this name is for that one.
			case known && !was.Same(m):
				p.changed[decl] = signature{want: p.signatureOf(m), kind: m.Kind, was: was.Kind}
			case renamed: // the next run knows nothing of the old one's types
				p.changed[decl] = signature{want: p.signatureOf(m), kind: m.Kind, was: m.Kind}
			case old != nil && !known:
				p.added[decl] = signature{want: p.signatureOf(m), kind: m.Kind, was: m.Kind}
			}
		}
	}
	if old != nil {
		p.moved = moves(*old, now)
		p.lose(*old, now)
	}
	return p, nil
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
	p.module, p.goNames = now.Module, map[string]string{}
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

// Restreamed reports whether the method's streaming kind changed, and what to call the new one.
func (p Plan) Restreamed(d Decl) (suffix string, ok bool) {
	s, ok := p.changed[d]
	if !ok || s.kind == s.was {
		return "", false
	}
	return string(s.kind), true
}

// moves pairs each package of messages that is gone with the only new one that has all its messages.
func moves(old, now contract.Contract) []move {
	has := func(list []contract.Package, path string) bool {
		return slices.ContainsFunc(list, func(p contract.Package) bool { return p.Path == path })
	}
	var list []move
	for _, was := range old.Messages {
		if has(now.Messages, was.Path) || len(was.Types) == 0 {
			continue
		}
		var to []string
		for _, is := range now.Messages {
			if has(old.Messages, is.Path) {
				continue
			}
			if !slices.ContainsFunc(was.Types, func(name string) bool { return !slices.Contains(is.Types, name) }) {
				to = append(to, is.Path)
			}
		}
		if len(to) == 1 {
			list = append(list, move{was.Path, to[0]})
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
		for _, s := range a.Types() {
			for _, m := range s.Methods {
				if _, both := b.Method(s.Type, m.Name); !both {
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
	for _, l := range lost {
		if slices.ContainsFunc(p.renames, func(r Rename) bool { return r.From == l.decl }) {
			continue
		}
		g := gone{decl: l.decl}
		if i := slices.IndexFunc(old.Services, func(s contract.Service) bool { return s.Type == l.decl.Type }); !serves(now, l.decl.Type) {
			if to, ok := successor(old.Services[i], old, now); ok {
				g.hint = fmt.Sprintf("if %s is %s now, svcgen regen --rename %s takes your code there", l.decl.Type, to, Rename{Decl{Type: l.decl.Type}, Decl{Type: to}})
				p.gone = append(p.gone, g)
				continue
			}
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

// signatureOf is the signature of a method of a service, or of a handler.
func (p Plan) signatureOf(m contract.Method) goedit.Signature {
	in, out := goType(m.In), goType(m.Out)
	ptr := func(t goedit.Type) goedit.Type { t.Star = true; return t }
	stream := func(name string, args ...goedit.Type) goedit.Type {
		return goedit.Type{Path: "google.golang.org/grpc", Alias: "grpc", Name: name, Args: args}
	}
	failure, ctx := goedit.Type{Name: "error"}, goedit.Type{Path: "context", Alias: "context", Name: "Context"}
	switch m.Kind {
	case contract.Handler:
		tx := goedit.Type{Path: p.module + "/internal/gen/store", Alias: "store", Name: "Tx"}
		return goedit.Signature{Params: []goedit.Type{ctx, ptr(tx), ptr(in)}, Results: []goedit.Type{failure}}
	case ir.ServerStream:
		return goedit.Signature{Params: []goedit.Type{ptr(in), stream("ServerStreamingServer", out)}, Results: []goedit.Type{failure}}
	case ir.ClientStream:
		return goedit.Signature{Params: []goedit.Type{stream("ClientStreamingServer", in, out)}, Results: []goedit.Type{failure}}
	case ir.BidiStream:
		return goedit.Signature{Params: []goedit.Type{stream("BidiStreamingServer", in, out)}, Results: []goedit.Type{failure}}
	default:
		return goedit.Signature{Params: []goedit.Type{ctx, ptr(in)}, Results: []goedit.Type{ptr(out), failure}}
	}
}

func goType(t contract.Type) goedit.Type {
	return goedit.Type{Path: t.Path, Alias: t.Alias, Name: t.Name}
}

// Empty reports whether there is nothing to edit and nothing to say.
func (p Plan) Empty() bool {
	return !p.rebases() && len(p.folders) == 0 && len(p.moved) == 0 && len(p.changed) == 0 && len(p.added) == 0 && len(p.gone) == 0 && len(p.renames) == 0
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
