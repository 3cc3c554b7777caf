package main

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
)

// The protos that everything is measured on are valid, and have as many methods as their name says.
func TestProtosCompile(t *testing.T) {
	s := size{files: 2, methods: 9}
	dir := t.TempDir()
	if err := s.writeProtos(dir); err != nil {
		t.Fatal(err)
	}
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{dir}}}
	files, err := c.Compile(context.Background(), protoPath(0), protoPath(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if n := f.Services().Get(0).Methods().Len(); n != s.methods {
			t.Errorf("%s has %d methods, want %d", f.Path(), n, s.methods)
		}
	}
	for _, name := range []string{"svcgen.yaml", "buf.yaml", "buf.gen.yaml", "buf.gen.all.yaml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestExponent(t *testing.T) {
	for name, test := range map[string]struct {
		points []point
		want   float64
		ok     bool
	}{
		"linear":    {[]point{{100, 2}, {1000, 20}, {10000, 200}}, 1, true},
		"quadratic": {[]point{{100, 1}, {1600, 256}}, 2, true},
		"one size":  {[]point{{100, 1}}, 0, false},
		"same size": {[]point{{100, 1}, {100, 2}}, 0, false},
		"none":      {nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := exponent(test.points)
			if ok != test.ok || math.Abs(got-test.want) > 1e-9 {
				t.Errorf("got %v %v, want %v %v", got, ok, test.want, test.ok)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	samples := []sample{{Wall: 3}, {Wall: 1}, {Wall: 9}, {Wall: 4}}
	got := spreadOf(samples, func(s sample) time.Duration { return s.Wall })
	if want := (spread[time.Duration]{median: 4, min: 1, max: 9}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A goal says by how much it is missed, and that it was not measured rather than reached.
func TestVerdict(t *testing.T) {
	b := &bench{series: []*series{
		{Case: "1x5", Job: "svcgen new", Samples: []sample{{Wall: 30}}},
		{Case: "1x5", Job: "buf generate", Samples: []sample{{Wall: 60}}},
	}}
	g := ratio("", 0.4, "1x5", "svcgen new", "buf generate")
	if got, want := g.verdict(b), "0.50×  missed by 25 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	g.limit = 0.5
	if got, want := g.verdict(b), "0.50×  reached"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	g = ratio("", 0.5, "1x5", "svcgen new", "goctl rpc protoc")
	if got, want := g.verdict(b), "not measured"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The harness counts what a child costs and reports what it said when it failed.
func TestRun(t *testing.T) {
	good := job{name: "true", argv: []string{"sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"}, dir: t.TempDir()}
	m, err := good.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Wall <= 0 || m.CPU <= 0 {
		t.Errorf("nothing measured: %+v", m)
	}
	bad := job{name: "bad", argv: []string{"sh", "-c", "echo first; echo why >&2; exit 3"}, dir: t.TempDir()}
	if _, err := bad.run(t.Context()); err == nil || !strings.Contains(err.Error(), "first why") {
		t.Errorf("got %v, want its output on one line", err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"--rounds", "0"}, {"stray"}, {"--cases", "3x3"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v was accepted", args)
		}
	}
}

func TestReport(t *testing.T) {
	b := &bench{
		trees: map[string]tree{"1x5": {Files: 60, Bytes: 1 << 20}},
		series: []*series{
			{Case: "1x5", Methods: 5, Job: "svcgen new", Samples: []sample{{Wall: 30 * time.Millisecond, CPU: 40 * time.Millisecond, Peak: 20 << 20}}},
			{Case: "1x5", Methods: 5, Job: "protoc", Failed: "no such file"},
		},
	}
	var text, js bytes.Buffer
	b.writeText(&text)
	if err := b.writeJSON(&js); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"30.0 ms (30.0 ms–30.0 ms)", "failed: no such file", "not measured", "60 files and 1.0 MiB"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if !strings.Contains(js.String(), `"value": null`) {
		t.Errorf("JSON does not say what was not measured:\n%s", js.String())
	}
}
