package ir_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/internal/casetest"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/schema"
)

// load runs the front half of svcgen on a manifest, as package generator does.
func load(file string, extra ...string) (*ir.Service, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Load(file, src)
	if err != nil {
		return nil, err
	}
	s, err := ir.Compile(context.Background(), m, extra, schema.Limits{}, nil)
	if err != nil {
		return nil, err
	}
	svc, list := ir.Resolve(m, s, ir.Names{}, nil)
	return svc, list.Err()
}

// loadBare does the same for a proto without a manifest.
func loadBare(file string, c ir.Choices, extra ...string) (*ir.Service, *manifest.Manifest, error) {
	s, err := ir.CompileFile(context.Background(), file, extra, schema.Limits{})
	if err != nil {
		return nil, nil, err
	}
	m, err := ir.Infer(s, c)
	if err != nil {
		return nil, nil, err
	}
	svc, list := ir.Resolve(m, s, ir.Names{}, nil)
	return svc, m, list.Err()
}

// A proto that was compiled before and of which no more than names can be linked is told of.
func TestNamesOnly(t *testing.T) {
	const file = "../../examples/orders/svcgen.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load(file, src)
	if err != nil {
		t.Fatal(err)
	}
	first, err := ir.Compile(t.Context(), m, nil, schema.Limits{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{".acme.orders.v1.Item": "link acme/orders/v1/orders.proto as it was compiled before", "no such thing": ""} {
		compiled := bytes.ReplaceAll(first.Compiled(), []byte(from), []byte(".acme.orders.v1.Gone"))
		s, err := ir.Compile(t.Context(), m, nil, schema.Limits{}, compiled)
		if err != nil {
			t.Fatal(err)
		}
		if !s.File("acme/orders/v1/orders.proto").Kept {
			t.Error("it is compiled again")
		}
		_, list := ir.Resolve(m, s, ir.Names{}, nil)
		if got := fmt.Sprint(list.Err()); want == "" && list.Err() != nil || !strings.Contains(got, want) {
			t.Errorf("the error is %s", got)
		}
	}
}

// inputs loads what a case holds: a manifest in its root or in a folder, or else a bare proto.
func inputs(t *testing.T) (*ir.Service, error) {
	t.Helper()
	for _, file := range []string{"svcgen.yaml", "service/svcgen.yaml"} {
		if _, err := os.Stat(file); err == nil {
			return load(file)
		}
	}
	args, err := os.ReadFile("bare") // a proto, and import roots as -I takes them
	if err != nil {
		t.Fatalf("the case has neither svcgen.yaml nor a file that names its bare proto: %v", err)
	}
	words := strings.Fields(string(args))
	svc, _, err := loadBare(words[0], ir.Choices{}, words[1:]...)
	return svc, err
}

func TestAccepted(t *testing.T) {
	casetest.Run(t, "accepted", func(t *testing.T) map[string]string {
		svc, err := inputs(t)
		if err != nil {
			t.Fatal(err)
		}
		compareNames(t, svc)
		out := map[string]string{"service": describe(svc)}
		for _, s := range svc.Sources {
			if src, err := os.ReadFile("svcgen.yaml"); s.Path == "svcgen.yaml" && string(src) != string(s.Content) {
				out["svcgen.yaml"] = string(s.Content)
			} else if err != nil && s.Path == "svcgen.yaml" {
				out["svcgen.yaml"] = string(s.Content)
			}
		}
		again(t, svc)
		return out
	})
}

// again checks that the tree's own manifest and protos make the same service.
func again(t *testing.T, svc *ir.Service) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, s := range svc.Sources {
		if err := os.MkdirAll(filepath.Dir(s.Path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path, s.Content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := load("svcgen.yaml")
	if err != nil {
		t.Fatalf("the emitted tree cannot be generated again: %v", err)
	}
	if got, want := describe(copied), describe(svc); got != want {
		t.Errorf("generated again, the service is\n%s\nwant\n%s", got, want)
	}
}

func TestRefused(t *testing.T) {
	casetest.Run(t, "refused", func(t *testing.T) map[string]string {
		_, err := inputs(t)
		if err == nil {
			return nil
		}
		var b strings.Builder
		if err := (diag.Printer{}).Print(&b, err); err != nil {
			t.Fatal(err)
		}
		return map[string]string{"errors": b.String()}
	})
}

// describe is a service in a form in which a reviewer sees what changed.
func describe(svc *ir.Service) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, module %s, package %s, env %s, %s, %s", svc.Name, svc.Module, svc.Package, svc.EnvPrefix, svc.Database, svc.Broker)
	if svc.Validate {
		b.WriteString(", validates")
	}
	b.WriteString("\n")
	for _, p := range svc.Protos {
		if p.Generate {
			fmt.Fprintf(&b, "proto %s: package %s %q\n", p.Path, p.Go.Name, p.Go.ImportPath)
		} else {
			fmt.Fprintf(&b, "proto %s: package %s %q of %s\n", p.Path, p.Go.Name, p.Go.ImportPath, p.Go.Module)
		}
	}
	for _, s := range svc.RPC {
		fmt.Fprintf(&b, "service %s: type %s, stubs %s.%s, %s\n", s.Proto, s.Type, s.Import.Alias, s.GoName, s.File)
		for _, m := range s.Methods {
			fmt.Fprintf(&b, "  %s %s(%s) %s, %s, %s\n", m.Kind, m.GoName, m.Input, m.Output, m.File, m.TestFile)
			if m.Call != s.GoName+"/"+m.GoName {
				fmt.Fprintf(&b, "    called as %s\n", m.Call)
			}
			for _, e := range m.Emits {
				fmt.Fprintf(&b, "    emits %s(&%s{%s})\n", e.Event.Func, e.Event.Message, copies(e.Fields))
			}
			if len(m.Answer) > 0 {
				fmt.Fprintf(&b, "    answers &%s{%s}\n", m.Output, copies(m.Answer))
			}
		}
	}
	for _, e := range svc.Publishes {
		fmt.Fprintf(&b, "publishes %s: %s(%s) to %s by %s %s\n", e.Proto, e.Func, e.Message, e.Topic, e.KeyExpr, strings.Join(e.KeyImports, " "))
	}
	for _, e := range svc.Consumes {
		fmt.Fprintf(&b, "consumes %s: %s(%s) from %s, %s, %s\n", e.Proto, e.Func, e.Message, e.Topic, e.File, e.TestFile)
	}
	for _, s := range svc.Sources {
		fmt.Fprintf(&b, "source %s\n", s.Path)
	}
	return b.String()
}

func TestQuickstart(t *testing.T) {
	svc, err := load("../../examples/quickstart/svcgen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(svc.RPC[0].Methods); n != 6 {
		t.Errorf("%d methods, want 6", n)
	}
	again(t, svc)
}

func copies(list []ir.FieldCopy) string {
	var fields []string
	for _, f := range list {
		fields = append(fields, f.GoName+": "+f.Expr)
	}
	return strings.Join(fields, ", ")
}
