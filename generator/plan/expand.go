package plan

import (
	"slices"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/gogen"
	"github.com/svcgen/svcgen/generator/ir"
)

// fragment is one file that a fragment prints.
func fragment(path, name string) func(*planner) ([]File, error) {
	return func(*planner) ([]File, error) {
		return []File{{Path: path, Source: Fragment, From: name, Data: &Data{}}}, nil
	}
}

// sources are the input files, as they are.
func sources() func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var files []File
		for _, s := range p.service.Sources {
			files = append(files, File{Path: s.Path, Source: Given, Content: s.Content})
		}
		return files, nil
	}
}

// generated are the messages and stubs of the protos.
func generated() func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) { return given(p.opt.Generated), nil }
}

// modules are go.mod and go.sum.
func modules() func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) { return given(p.opt.Modules), nil }
}

func given(made []gogen.File) []File {
	var files []File
	for _, m := range made {
		files = append(files, File{Path: m.Path, Source: Given, Content: m.Content, Packed: m.Packed, Kept: m.Kept, Key: m.Key})
	}
	return files
}

// deps is the struct every constructor takes.
func deps(path string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		return []File{{
			Path: path, Source: Fragment, From: "deps.go.tmpl", Data: &Data{},
			Decl: fileset.Decl{Package: p.service.Package, Type: "Deps"},
		}}, nil
	}
}

// publishesTest is the end to end test of the methods whose stubs publish, if there are any.
func publishesTest(path string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var specs []ir.Import
		for _, served := range p.service.RPC {
			for _, m := range served.Methods {
				if len(m.Emits) > 0 {
					specs = append(specs, served.Import, m.Input.Import)
				}
			}
		}
		return endToEnd(p, path, "publishes_test.go.tmpl", specs), nil
	}
}

// consumesTest is the end to end test of the consumed events, if there are any.
func consumesTest(path string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var specs []ir.Import
		for _, e := range p.service.Consumes {
			specs = append(specs, e.Message.Import)
		}
		return endToEnd(p, path, "consumes_test.go.tmpl", specs), nil
	}
}

func endToEnd(p *planner, path, from string, specs []ir.Import) []File {
	if specs == nil {
		return nil
	}
	return []File{{Path: path, Source: Fragment, From: from, Data: &Data{Imports: imports(p.service.Module, specs...)}}}
}

// services are the types that implement the gRPC services.
func services() func(*planner) ([]File, error) {
	return eachService(func(s *ir.Service, served *ir.RPCService) []File {
		return []File{{
			Path: served.File, Source: Fragment, From: "service.go.tmpl",
			Data: &Data{Served: served, Imports: imports(s.Module, served.Import)},
			Decl: fileset.Decl{Package: s.Package, Type: served.Type},
		}}
	})
}

// methods are the stubs of the gRPC methods.
func methods() func(*planner) ([]File, error) {
	return eachMethod(func(m *ir.Method) (path, from string, needs []ir.Import) {
		needs = []ir.Import{m.Input.Import, m.Output.Import}
		for _, e := range m.Emits {
			needs = append(needs, e.Event.Message.Import)
		}
		return m.File, "method_" + stub(m) + ".go.tmpl", needs
	})
}

// methodTests are the tests of the stubs. Where a method is there already, it was not svcgen that wrote it, and
// the test of a stub would not pass.
func methodTests() func(*planner) ([]File, error) {
	return eachMethod(func(m *ir.Method) (path, from string, needs []ir.Import) {
		needs = []ir.Import{m.Input.Import}
		if m.Kind != ir.Unary {
			needs = append(needs, m.Output.Import) // a stream names both
		}
		return m.TestFile, "method_" + stub(m) + "_test.go.tmpl", needs
	})
}

// stub is the kind of stub m gets.
func stub(m *ir.Method) string {
	if len(m.Emits) > 0 {
		return string(m.Kind) + "_emits"
	}
	return string(m.Kind)
}

func eachService(expand func(*ir.Service, *ir.RPCService) []File) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var files []File
		for i := range p.service.RPC {
			files = append(files, expand(p.service, &p.service.RPC[i])...)
		}
		return files, nil
	}
}

func eachMethod(file func(*ir.Method) (path, from string, needs []ir.Import)) func(*planner) ([]File, error) {
	return eachService(func(s *ir.Service, served *ir.RPCService) []File {
		var files []File
		for i := range served.Methods {
			m := &served.Methods[i]
			path, from, needs := file(m)
			data := &Data{Served: served, Method: m, Imports: imports(s.Module, needs...)}
			if last := len(m.Emits) - 1; last >= 0 {
				data.First, data.Last = m.Emits[:last], &m.Emits[last]
			}
			files = append(files, File{
				Path: path, Source: Fragment, From: from, Data: data,
				Decl: fileset.Decl{Package: s.Package, Type: served.Type, Method: m.GoName},
			})
		}
		return files
	})
}

// registration is where the served services meet the server.
func registration(path string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var specs []ir.Import
		for _, served := range p.service.RPC {
			specs = append(specs, served.Import)
		}
		return []File{{
			Path: path, Source: Fragment, From: "services.go.tmpl",
			Data: &Data{Imports: imports(p.service.Module, specs...)},
		}}, nil
	}
}

// consumers is the type whose methods handle events, if any are consumed.
func consumers(pkg string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		if len(p.service.Consumes) == 0 {
			return nil, nil
		}
		return []File{{
			Path: pkg + "/consumers.go", Source: Fragment, From: "consumers.go.tmpl", Data: &Data{},
			Decl: fileset.Decl{Package: p.service.Package, Type: contract.Consumers},
		}}, nil
	}
}

// handlers are the stubs that handle consumed events.
func handlers() func(*planner) ([]File, error) {
	return eachConsumed(func(e *ir.Event) (path, from string) { return e.File, "on_event.go.tmpl" })
}

// handlerTests are the tests of those stubs.
func handlerTests() func(*planner) ([]File, error) {
	return eachConsumed(func(e *ir.Event) (path, from string) { return e.TestFile, "on_event_test.go.tmpl" })
}

func eachConsumed(file func(*ir.Event) (path, from string)) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var files []File
		for i := range p.service.Consumes {
			e := &p.service.Consumes[i]
			path, from := file(e)
			files = append(files, File{
				Path: path, Source: Fragment, From: from,
				Data: &Data{Event: e, Imports: imports(p.service.Module, e.Message.Import)},
				Decl: fileset.Decl{Package: p.service.Package, Type: contract.Consumers, Method: e.Func},
			})
		}
		return files, nil
	}
}

// events is the file with the typed functions of the published events, if there are any.
func events(path string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var std []string
		var specs []ir.Import
		for _, e := range p.service.Publishes {
			std = append(std, e.KeyImports...)
			specs = append(specs, e.Message.Import)
		}
		if specs == nil {
			return nil, nil
		}
		data := &Data{Imports: imports(p.service.Module, specs...)}
		slices.Sort(std)
		data.Imports.Std = slices.Compact(std)
		return []File{{Path: path, Source: Fragment, From: "events.go.tmpl", Data: data}}, nil
	}
}

// ignore is the .gitignore of svcgen's own folder, of which base belongs into version control.
func ignore(path string) func(*planner) ([]File, error) {
	return func(*planner) ([]File, error) {
		return []File{{Path: path, Source: Given, Content: []byte("/compiled\n/journal\n/local\n/local.new\n/lock\n/rescued/\n/stage/\n")}}, nil
	}
}
