// Package generator makes a service from a manifest and its protos, all of it in memory: load, resolve, plan,
// render. What then happens on disk is package reconcile's; what the user sees is package cli's.
package generator

import (
	"context"
	"fmt"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/gogen"
	"github.com/svcgen/svcgen/generator/ir"
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
	Version  string                   // of svcgen
	Names    func() (ir.Names, error) // that the service has given so far; nil: none. It is called when the protos are compiled
	Made     fileset.Made             // by the last run
	Compiled []byte                   // Output.Compiled of the last run of the same svcgen, if it is at hand
}

func (in Input) names() (ir.Names, error) {
	if in.Names == nil {
		return ir.Names{}, nil
	}
	return in.Names()
}

// Output is a generated service.
type Output struct {
	Service  *ir.Service
	Plan     []plan.File
	Files    *fileset.Set // some of which may be in the making still
	Lookups  []Lookup     // the input files, by their places in the emitted tree
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
	names, err := in.names()
	if err != nil {
		return nil, err
	}
	var sources func() ([]gogen.File, error)
	service, found := ir.Resolve(m, s, names, func(protos []ir.ProtoFile) { sources = gogen.Begin(protos, m.Module, in.Made) })
	if err := found.Err(); err != nil {
		return nil, err
	}
	code, err := sources()
	if err != nil {
		return nil, &BugError{fmt.Errorf("generate code of the protos: %w", err)}
	}
	for _, f := range code {
		if f.Kept.InTheMaking() {
			f.Kept.Read = madeOrBug(f.Kept.Read)
		}
	}
	modules, err := goModule(m, service)
	if err != nil {
		return nil, err
	}
	reference, err := templates.Service()
	if err != nil {
		return nil, &BugError{err}
	}
	files, err := plan.Files(service, plan.Options{
		Version: in.Version, Reference: reference, Generated: code, Modules: modules,
	})
	if err != nil {
		return nil, &BugError{err}
	}
	if list := misplaced(service, files); len(list) > 0 {
		return nil, s.Sources().Finish(list)
	}
	set, err := render.Files(service, files, render.Options{Reference: reference, Fragments: fragment.FS, Made: in.Made})
	if err != nil {
		return nil, &BugError{err}
	}
	read, err := lookups(service)
	if err != nil {
		return nil, &BugError{err}
	}
	return &Output{Service: service, Plan: files, Files: set, Lookups: read, Warnings: found, Compiled: s.Compiled()}, nil
}

// madeOrBug is read with an error of its own kind: that code cannot be made is no input's fault.
func madeOrBug(read func() ([]byte, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		content, err := read()
		if err != nil {
			err = &BugError{fmt.Errorf("generate code of the protos: %w", err)}
		}
		return content, err
	}
}
