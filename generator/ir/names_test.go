package ir_test

import (
	"testing"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/svcgen/svcgen/generator/ir"
)

// compareNames compares the names we take protoc-gen-go to give with those it gives: types, fields, import paths
// and packages of every file.
func compareNames(t *testing.T, svc *ir.Service) {
	t.Helper()
	req := &pluginpb.CodeGeneratorRequest{Parameter: new("")}
	for _, p := range svc.Protos {
		fd, err := p.Descriptor.Message()
		if err != nil {
			t.Fatal(err)
		}
		req.ProtoFile = append(req.ProtoFile, fd)
		if p.Generate {
			req.FileToGenerate = append(req.FileToGenerate, p.Path)
		}
	}
	plugin, err := protogen.Options{}.New(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range svc.Protos {
		f := plugin.FilesByPath[p.Path]
		if f == nil && !p.Generate {
			continue // protogen leaves out what no generated file imports
		}
		if string(f.GoImportPath) != p.Go.ImportPath || string(f.GoPackageName) != p.Go.Name {
			t.Errorf("%s is package %s %q, want %s %q", p.Path, f.GoPackageName, f.GoImportPath, p.Go.Name, p.Go.ImportPath)
		}
		compareMessages(t, f.Messages)
	}
}

func compareMessages(t *testing.T, messages []*protogen.Message) {
	t.Helper()
	for _, m := range messages {
		if got := ir.GoIdent(m.Desc); got != m.GoIdent.GoName {
			t.Errorf("message %s is %s, protogen has %s", m.Desc.FullName(), got, m.GoIdent.GoName)
		}
		names := ir.FieldNames(m.Desc)
		for _, f := range m.Fields {
			if got := names[f.Desc.Name()]; got != f.GoName {
				t.Errorf("field %s is %s, protogen has %s", f.Desc.FullName(), got, f.GoName)
			}
			if want, _ := f.MethodName("Get"); ir.Getter(f.Desc) != want {
				t.Errorf("the getter of %s is %s, protogen has %s", f.Desc.FullName(), ir.Getter(f.Desc), want)
			}
			if ir.InOneof(f.Desc) {
				if got := ir.WrapperName(m.Desc, m.GoIdent.GoName+"_"+names[f.Desc.Name()]); got != f.GoIdent.GoName {
					t.Errorf("the wrapper of %s is %s, protogen has %s", f.Desc.FullName(), got, f.GoIdent.GoName)
				}
			}
		}
		for _, o := range m.Oneofs {
			if got := names[o.Desc.Name()]; got != o.GoName {
				t.Errorf("oneof %s is %s, protogen has %s", o.Desc.FullName(), got, o.GoName)
			}
		}
		for _, e := range m.Enums {
			if got := ir.GoIdent(e.Desc); got != e.GoIdent.GoName {
				t.Errorf("enum %s is %s, protogen has %s", e.Desc.FullName(), got, e.GoIdent.GoName)
			}
		}
		compareMessages(t, m.Messages)
	}
}
