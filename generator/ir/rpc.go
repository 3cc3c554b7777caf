package ir

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/naming"
)

// rpc resolves the services of the listed files. Services of files that are merely imported are somebody else's.
func (r *resolver) rpc(files *userFiles) []RPCService {
	var services []protoreflect.ServiceDescriptor
	for _, name := range r.manifest.Proto.Files {
		f := r.schema.File(name)
		for i := range f.Names.Services().Len() {
			services = append(services, f.Names.Services().Get(i))
		}
	}
	shared := sharedMethods(services)
	types := r.typesOf(services)
	var list []RPCService
	for _, s := range services {
		list = append(list, r.rpcService(s, types[s.FullName()], files))
	}
	namesakes := make(map[protoreflect.Name]int)
	for _, s := range services {
		namesakes[s.Name()]++
	}
	for i, s := range services {
		called := string(s.Name())
		if namesakes[s.Name()] > 1 {
			called = string(s.FullName())
		}
		for j := range s.Methods().Len() {
			m := r.method(s.Methods().Get(j), list[i].Type, shared, files)
			m.Call = fmt.Sprintf("%s/%s", called, s.Methods().Get(j).Name())
			list[i].Methods = append(list[i].Methods, m)
		}
	}
	return list
}

// sharedMethods counts the services that have a method of a Go name.
func sharedMethods(services []protoreflect.ServiceDescriptor) map[string]int {
	count := make(map[string]int)
	for _, s := range services {
		for j := range s.Methods().Len() {
			count[naming.Camel(string(s.Methods().Get(j).Name()))]++
		}
	}
	return count
}

// typesOf are the names of the user's types for the services. Those that have one keep it.
func (r *resolver) typesOf(services []protoreflect.ServiceDescriptor) map[protoreflect.FullName]string {
	scope := naming.NewScope("Deps", "Consumers", "NewConsumers", "TestMain")
	types := make(map[protoreflect.FullName]string, len(services))
	has := func(s protoreflect.ServiceDescriptor) string { return r.names.Types[string(s.FullName())] }
	keepFirst(scope, r.names.Left, services, has, func(s protoreflect.ServiceDescriptor, kept []string) {
		goName := naming.Camel(string(s.Name()))
		alias := naming.Camel(r.importOf(r.packages[s.ParentFile().Path()]).Alias)
		types[s.FullName()] = claimType(scope, s.Methods(), append(kept, goName, alias+goName, goName+"Service")...)
	})
	return types
}

func (r *resolver) rpcService(s protoreflect.ServiceDescriptor, typ string, files *userFiles) RPCService {
	svc := RPCService{
		Proto:  string(s.FullName()),
		GoName: naming.Camel(string(s.Name())),
		Type:   typ,
		Import: r.importOf(r.packages[s.ParentFile().Path()]),
		Pos:    r.schema.Pos(s),
	}
	svc.File, _ = files.claim(naming.Snake(svc.Type), "service")
	return svc
}

// claimType is a name for the type of a service, of which what the user's package declares for it is free as well: the
// constructor, and a test of each method.
func claimType(types *naming.Scope, methods protoreflect.MethodDescriptors, wanted ...string) string {
	for i := 2; ; i++ {
		for _, name := range wanted {
			declared := []string{name, "New" + name}
			for j := range methods.Len() {
				declared = append(declared, fmt.Sprintf("Test%s_%s", name, naming.Camel(string(methods.Get(j).Name()))))
			}
			if slices.ContainsFunc(declared, func(d string) bool { return !types.Free(d) }) {
				continue
			}
			for _, d := range declared {
				types.Claim(d)
			}
			return name
		}
		wanted = append(wanted, fmt.Sprintf("%s%d", wanted[0], i))
	}
}

func (r *resolver) method(m protoreflect.MethodDescriptor, typ string, shared map[string]int, files *userFiles) Method {
	goName := naming.Camel(string(m.Name()))
	base := naming.Snake(goName)
	if shared[goName] > 1 {
		base = naming.Snake(typ) + "_" + base
	}
	method := Method{
		Proto:    string(m.FullName()),
		FullName: fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()),
		GoName:   goName,
		Kind:     kindOf(m),
		Input:    r.typeRef(m.Input()),
		Output:   r.typeRef(m.Output()),
		Pos:      r.schema.Pos(m),
	}
	method.File, method.TestFile = files.claim(base, "method")
	return method
}

func kindOf(m protoreflect.MethodDescriptor) Kind {
	switch {
	case m.IsStreamingClient() && m.IsStreamingServer():
		return BidiStream
	case m.IsStreamingClient():
		return ClientStream
	case m.IsStreamingServer():
		return ServerStream
	}
	return Unary
}

// typeRef is the Go type of a message.
func (r *resolver) typeRef(m protoreflect.MessageDescriptor) TypeRef {
	return TypeRef{
		Import: r.importOf(r.packages[m.ParentFile().Path()]),
		Name:   goIdent(m),
		Proto:  string(m.FullName()),
	}
}

// goIdent is protoc-gen-go's name for a message or an enum: Outer_Inner for a nested one.
func goIdent(d protoreflect.Descriptor) string {
	name := string(d.FullName())
	if pkg := d.ParentFile().Package(); pkg != "" {
		name = strings.TrimPrefix(name, string(pkg)+".")
	}
	return naming.Camel(name)
}
