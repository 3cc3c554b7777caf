package ir

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/schema"
)

// registry refuses files that declare names which a Go module linked into every emitted service declares too.
// The protobuf runtime keeps one registry per process and panics, at start, when a name is registered twice; neither
// go build nor go vet would have said a word.
func (r *resolver) registry() {
	for _, f := range r.schema.Files {
		if f.Known != nil {
			continue
		}
		for d := range declarations(f.Names) {
			if r.registered(d) {
				break // one per file: a copy clashes in every declaration
			}
		}
		for pkg := f.Names.Package(); pkg != ""; pkg = pkg.Parent() {
			if known := schema.Registered(pkg); known != nil {
				r.list.Add(f.PosOf(2), "give the package another name", "%s is declared by %s of the Go module %s, and is no package", pkg, known.Path, known.Module)
			}
		}
		r.extensionNumbers(f)
	}
}

// registered reports a declaration whose name is one of a linked-in module's, or one of its packages.
func (r *resolver) registered(d protoreflect.Descriptor) bool {
	if known := schema.Registered(d.FullName()); known != nil {
		r.list.Add(r.schema.Pos(d), "import "+known.Path+" instead of a copy of it",
			"%s is declared by %s of the Go module %s as well, and a process can register it only once", d.FullName(), known.Path, known.Module)
		return true
	}
	if known := schema.RegisteredPackage(d.FullName()); known != nil {
		r.list.Add(r.schema.Pos(d), "give it another name, or the file a package", "%s is a package of %s of the Go module %s", d.FullName(), known.Path, known.Module)
		return true
	}
	if enum, ok := d.(protoreflect.EnumDescriptor); ok { // whose values stand beside it
		for i := range enum.Values().Len() {
			if r.registered(enum.Values().Get(i)) {
				return true
			}
		}
	}
	return false
}

// gateway is a module of options that svcgen knows, and that nothing in a service needs by itself.
const gateway = "github.com/grpc-ecosystem/grpc-gateway/v2"

// extensionNumbers refuses extensions whose number is taken by one of a linked-in module, for the same reason.
func (r *resolver) extensionNumbers(f *schema.File) {
	for x := range allExtensions(f.Names) {
		known := schema.RegisteredExtension(x)
		if known != nil && known.Module == gateway && r.schema.File(known.Path) == nil {
			continue // a service has this one only where a proto imports it
		}
		if known != nil {
			r.list.Add(r.schema.Pos(x), "choose another number",
				"number %d of %s is taken by an extension in %s of the Go module %s", x.Number(), x.ContainingMessage().FullName(), known.Path, known.Module)
		}
	}
}

// fileStart is the place of a diagnostic about a file as a whole.
func (r *resolver) fileStart(f *schema.File) diag.Pos {
	return diag.Pos{File: f.Disk, Line: 1, Col: 1}
}
