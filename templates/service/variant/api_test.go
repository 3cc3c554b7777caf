// Package variant holds the other databases and brokers: trees that replace folders of the reference service.
package variant

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const (
	service  = "github.com/svcgen/svcgen/templates/service"
	variants = service + "/variant/"
)

// part is a package that every choice of its kind has, with the choices besides the reference service's own.
type part struct {
	path    string
	choices []string
	// offered is what user code is told of, beyond what the service itself uses.
	offered []string
}

var parts = []part{
	{"/internal/gen/store", []string{"postgres", "mysql"}, []string{
		"ErrCommitUnknown", "Unavailable", "DB.InTx", "DB.Ping", "DB.OnCommit", "Tx.Emit", "Tx.Commit", "Tx.Rollback",
	}},
	{"/internal/gen/broker", []string{"kafka", "rabbitmq"}, []string{
		"Open", "Broker.Publish", "Broker.Pipelines", "Broker.Subscribe", "Broker.Status", "Broker.Close",
	}},
	{"/internal/gen/testkit/testdb", []string{"postgres", "mysql"}, nil},
	{"/internal/gen/testkit/testbroker", []string{"kafka", "rabbitmq"}, nil},
}

// driver lists what differs between databases on purpose: a transaction is the driver's own, so that the queries
// written with it are.
var driver = []string{"DB.Enqueue", "Tx.Commit", "Tx.Rollback"}

// TestAPI proves that every database and broker has what the wiring, the test kit and the code of users call, with
// the same types: a choice is a matter of folders, and a name one of them lacks would be found by its users.
func TestAPI(t *testing.T) {
	loaded := load(t)
	for _, p := range parts {
		base := loaded[service+p.path].Types
		needed := used(loaded, base)
		for _, name := range p.offered {
			needed[name] = true
		}
		if len(needed) == 0 {
			t.Errorf("nothing uses %s", p.path)
		}
		for _, choice := range p.choices {
			t.Run(choice+p.path, func(t *testing.T) {
				pkg := loaded[variants+choice+p.path]
				if pkg == nil {
					t.Fatal("no such package")
				}
				if pkg.Name != base.Name() {
					t.Errorf("package %s is called %s in the reference service", pkg.Name, base.Name())
				}
				for _, name := range slices.Sorted(maps.Keys(needed)) {
					compare(t, name, find(base, name), find(pkg.Types, name))
				}
			})
		}
	}
}

func compare(t *testing.T, name string, want, got types.Object) {
	t.Helper()
	switch {
	case want == nil:
		t.Errorf("%s is offered and not in the reference service", name)
	case got == nil:
		t.Errorf("%s is missing", name)
	case fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got):
		t.Errorf("%s is a %T, in the reference service a %T", name, got, want)
	case !slices.Contains(driver, name) && signature(want) != signature(got):
		t.Errorf("%s is %s, in the reference service %s", name, signature(got), signature(want))
	}
}

// signature is an object's type by names, with each variant's packages named as those they replace. What a type is
// inside is left out: its fields and methods are compared where they are used.
func signature(o types.Object) string {
	if name, ok := o.(*types.TypeName); ok && !name.IsAlias() {
		_, isStruct := name.Type().Underlying().(*types.Struct)
		return fmt.Sprintf("a type, struct: %v", isStruct)
	}
	t := o.Type()
	if f, ok := t.(*types.Signature); ok { // parameters may have other names
		t = types.NewSignatureType(nil, nil, nil, unnamed(f.Params()), unnamed(f.Results()), f.Variadic())
	}
	return types.TypeString(t, func(p *types.Package) string {
		path, ok := strings.CutPrefix(p.Path(), variants)
		if !ok {
			return p.Path()
		}
		_, path, _ = strings.Cut(path, "/")
		return service + "/" + path
	})
}

func unnamed(t *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range t.Variables() {
		vars = append(vars, types.NewParam(v.Pos(), v.Pkg(), "", v.Type()))
	}
	return types.NewTuple(vars...)
}

// find looks up Name or Type.Member.
func find(pkg *types.Package, name string) types.Object {
	owner, member, isMember := strings.Cut(name, ".")
	o := pkg.Scope().Lookup(owner)
	if o == nil || !isMember {
		return o
	}
	found, _, _ := types.LookupFieldOrMethod(types.NewPointer(o.Type()), true, pkg, member)
	return found
}

// used lists what packages of the service other than pkg itself take from it, as find spells it. The overlays are
// users of their neighbours, too.
func used(loaded map[string]*packages.Package, pkg *types.Package) map[string]bool {
	names := map[string]bool{}
	for path, user := range loaded {
		if path == pkg.Path() || strings.HasSuffix(path, "test") && strings.HasPrefix(path, pkg.Path()+"/") {
			continue // the conformance suites adapt to each
		}
		for _, o := range user.TypesInfo.Uses {
			if o.Pkg() == pkg && o.Parent() == pkg.Scope() {
				names[o.Name()] = true
			}
		}
		for _, s := range user.TypesInfo.Selections {
			if owner := owner(s); owner != nil && owner.Pkg() == pkg && s.Obj().Pkg() == pkg {
				names[owner.Name()+"."+s.Obj().Name()] = true
			}
		}
	}
	return names
}

func owner(s *types.Selection) *types.TypeName {
	t := types.Unalias(s.Recv())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj()
	}
	return nil
}

func load(t *testing.T) map[string]*packages.Package {
	t.Helper()
	list, err := packages.Load(&packages.Config{
		Context: t.Context(), Mode: packages.NeedName | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax | packages.NeedImports,
	}, service+"/...")
	if err != nil {
		t.Fatal(err)
	}
	loaded := make(map[string]*packages.Package, len(list))
	for _, p := range list {
		for _, err := range p.Errors {
			t.Error(err)
		}
		loaded[p.PkgPath] = p
	}
	return loaded
}
