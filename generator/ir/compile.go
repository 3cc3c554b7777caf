package ir

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/schema"
)

// Compile compiles the protos of a manifest: the files it lists and those that declare the events it names. Import
// roots are the manifest's, relative to its file, and then the extra ones. For compiled see schema.Input.
func Compile(ctx context.Context, m *manifest.Manifest, extra []string, limits schema.Limits, compiled []byte) (*schema.Schema, error) {
	in := schema.Input{Limits: limits, Compiled: compiled}
	for i, f := range m.Proto.Files {
		in.Files = append(in.Files, schema.Entry{Path: f, Pos: m.Pos("proto.files[%d]", i)})
	}
	for i, p := range m.Publishes {
		in.Messages = append(in.Messages, schema.Entry{Path: p.Message, Pos: m.Pos("publishes[%d].message", i)})
	}
	for i, c := range m.Consumes {
		in.Messages = append(in.Messages, schema.Entry{Path: c.Message, Pos: m.Pos("consumes[%d].message", i)})
	}
	at := func(i int) diag.Pos { return m.Pos("proto.imports[%d]", i) }
	roots, err := schema.Roots(filepath.Dir(m.File), m.Proto.Imports, at, extra)
	if err != nil {
		return nil, withLines(m, err)
	}
	in.Roots = roots
	s, err := schema.Compile(ctx, in)
	if err != nil {
		return nil, withLines(m, err)
	}
	return s, nil
}

// withLines adds the manifest's lines to diagnostics of package schema, which knows only where it was named.
func withLines(m *manifest.Manifest, err error) error {
	if list, ok := errors.AsType[diag.List](err); ok {
		return m.Sources().Finish(list)
	}
	return err
}

// CompileFile compiles a proto that comes without a manifest, with the import roots it suggests and the extra ones.
func CompileFile(ctx context.Context, file string, extra []string, limits schema.Limits) (*schema.Schema, error) {
	name, roots, err := schema.RootsOfFile(file, extra)
	if err != nil {
		return nil, err
	}
	return schema.Compile(ctx, schema.Input{
		Files:  []schema.Entry{{Path: name, Pos: diag.Pos{File: file}}},
		Roots:  roots,
		Limits: limits,
	})
}
