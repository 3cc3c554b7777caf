package ir_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/schema"
)

// load runs the front half of svcgen on a manifest, as package generator does.
func load(t *testing.T, file string, extra ...string) (*ir.Service, error) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load(file, src)
	if err != nil {
		return nil, err
	}
	at := func(i int) diag.Pos { return m.Pos("proto.imports[%d]", i) }
	roots, err := schema.Roots(filepath.Dir(file), m.Proto.Imports, at, extra)
	if err != nil {
		return nil, err
	}
	files, messages := ir.Wants(m)
	s, err := schema.Compile(context.Background(), schema.Input{Files: files, Messages: messages, Roots: roots})
	if err != nil {
		return nil, err
	}
	svc, list := ir.Resolve(m, s)
	return svc, list.Err()
}

func TestQuickstart(t *testing.T) {
	svc, err := load(t, "../../examples/quickstart/svcgen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range svc.Protos {
		svc.Protos[i].Descriptor = nil
	}
	out, _ := json.MarshalIndent(svc, "", " ")
	t.Logf("%s", out)
}
