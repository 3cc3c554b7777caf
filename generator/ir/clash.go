package ir

import (
	"fmt"
	"path"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/naming"
	"github.com/svcgen/svcgen/generator/schema"
)

// maxIdentifier is the length in bytes up to which names are taken; file names are made of them.
const maxIdentifier = 200

// clashes refuses protos whose Go code would declare a name twice. To protoc, Buy and buy are two names, so are a
// message ShopServer and the server of a service Shop; protoc-gen-go emits both and leaves it to the compiler.
func (r *resolver) clashes() {
	scopes := make(map[string]map[string]goName) // by import path
	files := make(map[string]int)                // how many, by import path
	for _, f := range r.schema.Files {
		files[r.packages[f.Path].ImportPath]++
	}
	for _, f := range r.schema.Files {
		pkg := r.packages[f.Path]
		alone := files[pkg.ImportPath] == 1 && !forwards(f)
		if f.Known != nil || f.Kept && alone { // what was found right can only clash with another file's
			continue
		}
		if scopes[pkg.ImportPath] == nil {
			scopes[pkg.ImportPath] = make(map[string]goName)
		}
		scope := scopes[pkg.ImportPath]
		for _, n := range r.goNames(f) {
			first, taken := scope[n.name]
			if !taken {
				scope[n.name] = n
				continue
			}
			r.list.Add(r.place(n), fmt.Sprintf("rename one of them; the other is at %s", r.place(first)),
				"%s and %s are both %s in Go", first.words(), n.words(), n.name)
		}
		if f.Kept {
			continue
		}
		for d := range allMessages(f.Desc()) {
			r.memberClashes(d)
		}
		for i := range f.Names.Services().Len() {
			r.methodClashes(f.Names.Services().Get(i))
		}
	}
}

// forwards reports whether a file's Go code repeats names of other files.
func forwards(f *schema.File) bool {
	for i := range f.Names.Imports().Len() {
		if f.Names.Imports().Get(i).IsPublic {
			return true
		}
	}
	return false
}

// goName is a name that a file declares in its Go package. What it stands for is worked out only if it is
// taken: a schema has many times more names than mistakes.
type goName struct {
	name string
	what string                  // %s is the declaration it is made for
	d    protoreflect.Descriptor // a file for the name of its descriptor
	pos  diag.Pos                // where that is not the place of d
}

// words is the declaration a name stands for.
func (n goName) words() string {
	if f, ok := n.d.(protoreflect.FileDescriptor); ok {
		return fmt.Sprintf(n.what, f.Path())
	}
	return fmt.Sprintf(n.what, inPackage(n.d))
}

// place is where the declaration of a name was written.
func (r *resolver) place(n goName) diag.Pos {
	if n.pos.File != "" {
		return n.pos
	}
	return r.schema.Pos(n.d)
}

// goNames are the exported names of a file's Go code, and the unexported ones that a proto can choose.
func (r *resolver) goNames(f *schema.File) []goName {
	n := &goNamer{resolver: r}
	n.names = append(n.names, goName{"File_" + sanitized(f.Path), "file %s", f.Names, n.fileStart(f)})
	n.declarations(f)
	for i := range f.Names.Services().Len() {
		n.service(f.Names.Services().Get(i))
	}
	for i := range f.Names.Imports().Len() {
		imp := f.Names.Imports().Get(i)
		target := r.schema.File(imp.Path())
		if !imp.IsPublic || target == nil || r.packages[target.Path].ImportPath == r.packages[f.Path].ImportPath {
			continue
		}
		// protoc-gen-go repeats what a public import declares, under the same names; but for services, whose code is not its.
		forwarded := &goNamer{resolver: r}
		forwarded.declarations(target)
		for _, g := range forwarded.names {
			n.names = append(n.names, goName{g.name, g.what + " through the public import of " + path.Base(imp.Path()), g.d, f.PosOf(3, int32(i))})
		}
	}
	return n.names
}

type goNamer struct {
	*resolver
	names []goName
}

func (n *goNamer) add(name, what string, d protoreflect.Descriptor) {
	n.names = append(n.names, goName{name: name, what: what, d: d})
}

func (n *goNamer) declarations(f *schema.File) {
	for m := range allMessages(f.Desc()) {
		n.message(m)
	}
	n.enums(f.Desc().Enums())
	n.extensions(f.Desc().Extensions(), "E_")
}

func (n *goNamer) message(m protoreflect.MessageDescriptor) {
	ident := goIdent(m)
	n.long(m)
	n.add(ident, "message %s", m)
	if level := effectiveAPI(m); level == apiOpaque || level == apiHybrid {
		n.add(ident+"_builder", "the builder of message %s", m)
	}
	names := fieldNames(m)
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		n.long(f)
		if f.HasDefault() {
			n.add("Default_"+ident+"_"+names[f.Name()], "the default of field %s", f)
		}
		if inOneof(f) {
			n.add(wrapperName(m, ident+"_"+names[f.Name()]), "oneof field %s", f)
		}
	}
	n.enums(m.Enums())
	n.extensions(m.Extensions(), "E_"+ident+"_")
}

// wrapperName is the name of the type that wraps a oneof's field: protogen makes way for the types nested in the message.
func wrapperName(m protoreflect.MessageDescriptor, name string) string {
	nested := make(map[string]bool)
	for i := range m.Messages().Len() {
		nested[goIdent(m.Messages().Get(i))] = true
	}
	for i := range m.Enums().Len() {
		nested[goIdent(m.Enums().Get(i))] = true
	}
	for nested[name] {
		name += "_"
	}
	return name
}

func (n *goNamer) enums(enums protoreflect.EnumDescriptors) {
	for i := range enums.Len() {
		e := enums.Get(i)
		ident := goIdent(e)
		n.long(e)
		n.add(ident, "enum %s", e)
		n.add(ident+"_name", "the names of enum %s", e)
		n.add(ident+"_value", "the values of enum %s", e)
		prefix := ident
		if m, ok := e.Parent().(protoreflect.MessageDescriptor); ok {
			prefix = goIdent(m)
		}
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			n.long(v)
			n.add(prefix+"_"+string(v.Name()), "value %s of enum "+string(e.Name()), v)
		}
	}
}

func (n *goNamer) extensions(list protoreflect.ExtensionDescriptors, prefix string) {
	for i := range list.Len() {
		x := list.Get(i)
		n.long(x)
		n.add(prefix+naming.Camel(string(x.Name())), "extension %s", x)
	}
}

func (n *goNamer) service(s protoreflect.ServiceDescriptor) {
	name := naming.Camel(string(s.Name()))
	n.long(s)
	n.add(name+"Client", "the client of service %s", s)
	n.add("New"+name+"Client", "the constructor of the client of service %s", s)
	n.add(name+"Server", "the server of service %s", s)
	n.add("Unimplemented"+name+"Server", "the default server of service %s", s)
	n.add("Unsafe"+name+"Server", "the unsafe server of service %s", s)
	n.add("Register"+name+"Server", "the registration of service %s", s)
	n.add(name+"_ServiceDesc", "the description of service %s", s)
	seen := make(map[string]bool)
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		method := naming.Camel(string(m.Name()))
		n.long(m)
		if seen[method] {
			continue // methodClashes says it better
		}
		seen[method] = true
		n.add(name+"_"+method+"_FullMethodName", "the name of method %s", m)
		if kindOf(m) != Unary {
			n.add(name+"_"+method+"Client", "the client stream of method %s", m)
			n.add(name+"_"+method+"Server", "the server stream of method %s", m)
		}
	}
}

func (r *resolver) long(d protoreflect.Descriptor) {
	if len(d.Name()) > maxIdentifier {
		r.list.Add(r.schema.Pos(d), "", "%s has a name longer than %d bytes", what(d), maxIdentifier)
	}
}

// memberClashes refuses fields that would be called as a method of their message. protogen renames most of them.
func (r *resolver) memberClashes(m protoreflect.MessageDescriptor) {
	members := map[string]string{"ProtoReflect": "the method every message has"}
	names := fieldNames(m)
	add := func(name, what string, d protoreflect.Descriptor) {
		if other, taken := members[name]; taken {
			r.list.Add(r.schema.Pos(d), "rename it", "%s is %s in Go, and so is %s", what, name, other)
			return
		}
		members[name] = what
	}
	if opaque(m) { // its fields are not exported
		accessors(m, add)
		return
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		name := names[f.Name()]
		if !inOneof(f) {
			add(name, "field "+string(f.Name()), f)
		}
		add("Get"+name, "the getter of field "+string(f.Name()), f)
	}
	for i := range m.Oneofs().Len() {
		if o := m.Oneofs().Get(i); !o.IsSynthetic() {
			add(names[o.Name()], "oneof "+string(o.Name()), o)
			add("Get"+names[o.Name()], "the getter of oneof "+string(o.Name()), o)
		}
	}
}

// accessors adds the methods that an opaque message has for its fields and oneofs.
func accessors(m protoreflect.MessageDescriptor, add func(name, what string, d protoreflect.Descriptor)) {
	names := accessorNames(m)
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		methods := []string{"Get", "Set"}
		if f.HasPresence() {
			methods = append(methods, "Has", "Clear")
		}
		for _, method := range methods {
			add(method+names[f], "a method of field "+string(f.Name()), f)
		}
	}
	for i := range m.Oneofs().Len() {
		if o := m.Oneofs().Get(i); !o.IsSynthetic() {
			for _, method := range []string{"Has", "Clear", "Which"} {
				add(method+names[o], "a method of oneof "+string(o.Name()), o)
			}
		}
	}
}

// methodClashes refuses methods of one service that have one Go name.
func (r *resolver) methodClashes(s protoreflect.ServiceDescriptor) {
	embedded := "Unimplemented" + naming.Camel(string(s.Name())) + "Server"
	first := make(map[string]protoreflect.MethodDescriptor)
	for i := range s.Methods().Len() {
		m := s.Methods().Get(i)
		name := naming.Camel(string(m.Name()))
		if name == embedded {
			r.list.Add(r.schema.Pos(m), "rename it", "method %s has the name of the type that is embedded in every server of %s", m.Name(), s.Name())
		}
		if other := first[name]; other != nil {
			r.list.Add(r.schema.Pos(m), fmt.Sprintf("rename one of them; the other is at %s", r.schema.Pos(other)),
				"methods %s and %s are both %s in Go", other.Name(), m.Name(), name)
			continue
		}
		first[name] = m
	}
}
