package typecheck

import (
	"go/ast"
	"strings"
)

// outline is the names in a file, in all the states it has.
type outline struct {
	packages map[string]bool // what the package is called; of an external test, without _test
	declared map[string]bool // in the package
	methods  map[string]bool
	types    map[string]bool // that methods are declared for
	outer    map[string]bool // every identifier outside of function bodies, but the names of declared methods
	inner    map[string]bool // every identifier inside, where they are read
}

func newOutline() outline {
	return outline{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
}

// add adds what is in one state of the file; of function bodies only with inner.
func (o outline) add(f *ast.File, inner bool) {
	o.packages[strings.TrimSuffix(f.Name.Name, "_test")] = true
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			o.function(decl, inner)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					identifiers(spec.Name, o.declared)
					if spec.Assign.IsValid() { // a method may be declared for an alias
						identifiers(spec.Type, o.types)
					}
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						identifiers(name, o.declared)
					}
				}
			}
			identifiers(decl, o.outer)
		}
	}
}

func (o outline) function(f *ast.FuncDecl, inner bool) {
	if f.Body != nil && inner {
		identifiers(f.Body, o.inner)
	}
	identifiers(f.Type, o.outer)
	if f.Recv == nil {
		o.declared[f.Name.Name] = true
		return
	}
	o.methods[f.Name.Name] = true
	identifiers(f.Recv, o.outer)
	for _, field := range f.Recv.List { // one, where the code is right
		identifiers(field.Type, o.types) // with type parameters
	}
}

// identifiers notes those in n.
func identifiers(n ast.Node, into map[string]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name != "_" {
			into[id.Name] = true
		}
		return true
	})
}
