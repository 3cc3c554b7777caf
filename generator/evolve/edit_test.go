package evolve

import (
	"testing"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/ir"
)

// TestImportOfTheOldType proves that an import only the old signature used goes with it, and one the body uses stays.
func TestImportOfTheOldType(t *testing.T) {
	of := func(pkg string) contract.Contract {
		typ := contract.Type{Path: "example.com/gen/" + pkg, Alias: pkg, Name: "A"}
		return contract.Contract{Folder: "p", Package: "p", Services: []contract.Service{
			{Proto: "x.S", Type: "S", Methods: []contract.Method{{Name: "M", Kind: ir.Unary, In: typ, Out: typ}}},
		}}
	}
	const head = "package p\n\nimport (\n\t\"context\"\n"
	const tail = "(ctx context.Context, a *old.A) (*old.A, error) { "
	tests := []struct{ name, src, want string }{
		{
			"unused now",
			head + "\told \"example.com/gen/old\"\n)\n\nfunc (s *S) M" + tail + "return nil, nil }\n",
			head + "\tnow \"example.com/gen/now\"\n)\n\nfunc (s *S) M(ctx context.Context, a *now.A) (*now.A, error) { return nil, nil }\n",
		},
		{
			"used in the body",
			head + "\told \"example.com/gen/old\"\n)\n\nfunc (s *S) M" + tail + "return old.Do() }\n",
			head + "\told \"example.com/gen/old\"\n\tnow \"example.com/gen/now\"\n)\n\nfunc (s *S) M(ctx context.Context, a *now.A) (*now.A, error) { return old.Do() }\n",
		},
		{
			"with a comment of its owner",
			head + "\told \"example.com/gen/old\" // mine\n)\n\nfunc (s *S) M" + tail + "return nil, nil }\n",
			head + "\told \"example.com/gen/old\" // mine\n\tnow \"example.com/gen/now\"\n)\n\nfunc (s *S) M(ctx context.Context, a *now.A) (*now.A, error) { return nil, nil }\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			old := of("old")
			plan, err := Compare(&old, of("now"), nil)
			if err != nil {
				t.Fatal(err)
			}
			result, err := plan.Edit(map[string][]byte{"p/a.go": []byte(test.src)})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(result.Content["p/a.go"]); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
