package ir

import (
	"maps"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/naming"
	"github.com/svcgen/svcgen/generator/schema"
)

// Resolve makes the Service of a manifest and its schema, in which what has a name keeps it. The list holds everything wrong with them, sorted; the
// Service is nil if one of that is an error. begin is called with Service.Protos, before it is known whether there will be one; nil: not.
func Resolve(m *manifest.Manifest, s *schema.Schema, names Names, begin func([]ProtoFile)) (*Service, diag.List) {
	r := &resolver{
		manifest: m,
		schema:   s,
		names:    names,
		begin:    begin,
		packages: make(map[string]GoPackage),
		aliases:  make(map[string]string),
	}
	svc := r.service()
	if err := s.Err(); err != nil {
		r.list.Add(diag.Pos{}, "", "%s", err.Error())
	}
	sources := m.Sources()
	maps.Copy(sources, s.Sources())
	list := sources.Finish(append(r.list, s.Warnings...))
	if list.HasErrors() {
		return nil, list
	}
	return svc, list
}

// resolver is the state of one Resolve.
type resolver struct {
	manifest *manifest.Manifest
	schema   *schema.Schema
	names    Names // of before
	begin    func([]ProtoFile)
	list     diag.List

	packages map[string]GoPackage // by path of the proto file
	aliases  map[string]string    // by import path; unique in the whole service, so in every emitted file
	imports  *naming.Scope
}

func (r *resolver) service() *Service {
	m := r.manifest
	r.identity()
	r.registry()
	r.goPackages()
	protos := r.protos()
	if r.begin != nil {
		r.begin(protos)
	}
	r.clashes()
	svc := &Service{
		Name:         m.Name,
		Module:       m.Module,
		Package:      userPackage(m.Name),
		EnvPrefix:    naming.Env(m.Name),
		Database:     m.Database,
		Broker:       m.Broker,
		Validate:     r.validates(),
		VetFlags:     r.vetFlags(),
		ManifestFile: manifest.FileName,
		Protos:       protos,
	}
	r.imports = naming.NewScope(append(reservedImports(), svc.Package)...)
	files := newUserFiles(svc.Package)
	svc.RPC = r.rpc(files)
	svc.Publishes = r.publishes(svc.RPC)
	svc.Consumes = r.consumes(files)
	svc.Sources = r.sources()
	if len(svc.RPC) == 0 && len(svc.Consumes) == 0 {
		r.list.Add(m.Pos("proto.files"), "list the file that declares your service", "no service in the listed proto files, and no event is consumed")
	}
	return svc
}

// validates reports whether a proto of the user's has rules of protovalidate.
func (r *resolver) validates() bool {
	return slices.ContainsFunc(r.schema.Files, func(f *schema.File) bool {
		return f.Known == nil && slices.Contains(f.Proto.GetDependency(), "buf/validate/validate.proto")
	})
}

// importOf is the import of a Go package under its alias. An alias never changes: it is claimed once per service.
func (r *resolver) importOf(pkg GoPackage) Import {
	alias, ok := r.aliases[pkg.ImportPath]
	if !ok {
		elems := strings.Split(strings.TrimPrefix(pkg.ImportPath, r.manifest.Module+"/gen/"), "/")
		alias = r.imports.Claim(strings.ToLower(pkg.Name), naming.Versioned(elems), naming.Package(strings.Join(elems[max(len(elems)-2, 0):], "")),
			naming.Package(strings.Join(elems[max(len(elems)-3, 0):], "")), strings.TrimSuffix(strings.ToLower(pkg.Name), "pb")+"pb")
		r.aliases[pkg.ImportPath] = alias
	}
	return Import{Alias: alias, Path: pkg.ImportPath, Name: pkg.Name}
}
