// Package generator makes a service from a manifest and its protos, all of it in memory: load, resolve, plan,
// render. What then happens on disk is package reconcile's; what the user sees is package cli's.
package generator

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/gogen"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/plan"
	"github.com/svcgen/svcgen/generator/render"
	"github.com/svcgen/svcgen/generator/schema"
	"github.com/svcgen/svcgen/templates"
	"github.com/svcgen/svcgen/templates/fragment"
)

// Input says what to make a service from: a manifest, or a proto without one.
type Input struct {
	Manifest string     // path of a svcgen.yaml
	Proto    string     // path of a .proto, where there is no manifest
	Choices  ir.Choices // what is not to be inferred from Proto
	Imports  []string   // further import roots, as -I takes them
	Limits   schema.Limits
	Version  string // of svcgen
	Made     fileset.Made
	Compiled []byte // Output.Compiled of the last run of the same svcgen, if it is at hand
}

// Output is a generated service.
type Output struct {
	Service  *ir.Service
	Plan     []plan.File
	Files    *fileset.Set
	Lookups  []Lookup // the input files, by their places in the emitted tree
	Warnings diag.List
	Compiled []byte
}

// Generate makes the service of in. It reads in's files and writes nothing. An error in the input is a diag.List.
func Generate(ctx context.Context, in Input) (*Output, error) {
	out, err := generate(ctx, in)
	if in.Compiled != nil && (err != nil || len(out.Warnings) > 0) {
		in.Compiled = nil // what there is to say needs the text of the protos
		out, err = generate(ctx, in)
	}
	return out, err
}

func generate(ctx context.Context, in Input) (*Output, error) {
	m, s, err := load(ctx, in)
	if err != nil {
		return nil, err
	}
	service, found := ir.Resolve(m, s)
	if err := found.Err(); err != nil {
		return nil, err
	}
	code := meanwhile(func() ([]gogen.File, error) { return gogen.Generate(service.Protos, service.Module, in.Made) })
	files, set, err := surroundings(m, service, in)
	made, failed := code()
	switch {
	case err != nil:
		return nil, err
	case failed != nil:
		return nil, &BugError{fmt.Errorf("generate code of the protos: %w", failed)}
	}
	files = append(files, plan.Code(made)...)
	if list := misplaced(service, files); len(list) > 0 {
		return nil, s.Sources().Finish(list)
	}
	if err := render.Given(set, plan.Code(made)); err != nil {
		return nil, &BugError{err}
	}
	read, err := lookups(service)
	if err != nil {
		return nil, &BugError{err}
	}
	return &Output{Service: service, Plan: files, Files: set, Lookups: read, Warnings: found, Compiled: s.Compiled()}, nil
}

// surroundings are all files of a service but the code of its protos, planned and rendered.
func surroundings(m *manifest.Manifest, s *ir.Service, in Input) ([]plan.File, *fileset.Set, error) {
	modules, err := goModule(m, s)
	if err != nil {
		return nil, nil, err
	}
	reference, err := templates.Service()
	if err != nil {
		return nil, nil, &BugError{err}
	}
	files, err := plan.Files(s, plan.Options{Version: in.Version, Reference: reference, Modules: modules})
	if err != nil {
		return nil, nil, &BugError{err}
	}
	set, err := render.Files(s, files, render.Options{Reference: reference, Fragments: fragment.FS, Made: in.Made})
	if err != nil {
		return nil, nil, &BugError{err}
	}
	return files, set, nil
}

// meanwhile begins with work, and returns what waits for it.
func meanwhile[T any](work func() (T, error)) (wait func() (T, error)) {
	var result T
	var group errgroup.Group
	group.Go(func() (err error) {
		result, err = work()
		return err
	})
	return func() (T, error) {
		err := group.Wait()
		return result, err
	}
}
