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

// loadBare does the same for a proto without a manifest.
func loadBare(t *testing.T, file string, extra ...string) (*ir.Service, *manifest.Manifest, error) {
	t.Helper()
	name, roots, err := schema.RootsOfFile(file, extra)
	if err != nil {
		return nil, nil, err
	}
	s, err := schema.Compile(context.Background(), schema.Input{Files: []schema.Entry{{Path: name}}, Roots: roots})
	if err != nil {
		return nil, nil, err
	}
	m, err := ir.Infer(s, ir.Choices{})
	if err != nil {
		return nil, nil, err
	}
	svc, list := ir.Resolve(m, s)
	return svc, m, list.Err()
}

func TestWild(t *testing.T) {
	for _, f := range []string{
		"go.etcd.io/etcd/api/v3@v3.7.3/etcdserverpb/rpc.proto",
		"github.com/container-storage-interface/spec@v1.13.0/csi.proto",
		"k8s.io/cri-api@v0.37.2/pkg/apis/runtime/v1/api.proto",
	} {
		svc, m, err := loadBare(t, "/root/go/pkg/mod/"+f)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		t.Logf("%s", m.Source)
		for _, p := range svc.Protos {
			t.Log(p.Path, p.Go, p.GoFile)
		}
		for _, p := range svc.Sources {
			t.Log(p.Path)
		}
	}
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
