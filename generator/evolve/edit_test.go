package evolve

import (
	"slices"
	"strings"
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

// TestHandlers proves that a handler's types follow its event, and that a body is never given the event of another one:
// of two messages of one name the first in the manifest has the short name for its handler.
func TestHandlers(t *testing.T) {
	handler := func(name, pkg string) contract.Method {
		return contract.Method{Name: name, Kind: contract.Handler, In: contract.Type{Path: "example.com/gen/" + pkg, Alias: pkg, Name: "Paid"}}
	}
	of := func(handlers ...contract.Method) contract.Contract {
		return contract.Contract{Module: "example.com", Folder: "p", Package: "p", Consumes: handlers}
	}
	const head = "package p\n\nimport (\n\t\"context\"\n"
	const src = head + "\t\"example.com/internal/gen/store\"\n\ta \"example.com/gen/a\"\n)\n\nfunc (c *Consumers) OnPaid(ctx context.Context, _ *store.Tx, ev *a.Paid) error { return nil }\n"
	tests := []struct {
		name     string
		old, now contract.Contract
		want     string // empty: as it was
	}{
		{"the message moved", of(handler("OnPaid", "a")), of(handler("OnPaid", "b")), strings.NewReplacer("gen/a", "gen/b", "\ta ", "\tb ", "a.Paid", "b.Paid").Replace(src)},
		{"another of its name came first", of(handler("OnPaid", "a")), of(handler("OnPaid", "b"), handler("OnAPaid", "a")), ""},
		{"an earlier svcgen did not keep it", of(), of(handler("OnPaid", "b")), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			plan, err := Compare(&test.old, test.now, nil)
			if err != nil {
				t.Fatal(err)
			}
			result, err := plan.Edit(map[string][]byte{"p/a.go": []byte(src)})
			if err != nil {
				t.Fatal(err)
			}
			if got := string(result.Content["p/a.go"]); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestHandlerIsNoStream proves that a handler which was renamed and has not the parameters it should have is pointed to,
// and not taken for one that was streamed: only methods of services are.
func TestHandlerIsNoStream(t *testing.T) {
	handler := func(name string) contract.Contract {
		return contract.Contract{Module: "m", Folder: "p", Package: "p", Consumes: []contract.Method{
			{Name: name, Kind: contract.Handler, In: contract.Type{Path: "m/gen", Alias: "gen", Name: "A"}},
		}}
	}
	old := handler("OnB") // of the run after the event got its name: it knows nothing of OnA
	plan, err := Compare(&old, handler("OnB"), []Rename{{From: Decl{contract.Consumers, "OnA"}, To: Decl{contract.Consumers, "OnB"}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = plan.Edit(map[string][]byte{"p/a.go": []byte("package p\n\ntype Consumers struct{}\n\nfunc (c *Consumers) OnA() error { return nil }\n")})
	const want = "p/a.go:5:21: the types of Consumers.OnB changed, and this declaration has not as many as the manifest says"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestMoves proves which package of messages is taken for another one's successor.
func TestMoves(t *testing.T) {
	of := func(packages ...string) contract.Contract {
		var c contract.Contract
		for _, p := range packages {
			words := strings.Fields(p)
			c.Messages = append(c.Messages, contract.Package{Path: words[0], Types: words[1:]})
		}
		return c
	}
	tests := []struct {
		name     string
		old, now contract.Contract
		want     []move
	}{
		{"whole", of("a A B"), of("b A B C"), []move{{"a", "b"}}},
		{"with a message that has another name", of("a A B"), of("b A C"), []move{{"a", "b"}}},
		{"beside another", of("a A B Status", "x X Status"), of("b A C Status", "y X Status"), []move{{"a", "b"}, {"x", "y"}}},
		{"halved", of("a A B"), of("b A", "c B"), nil},
		{"into one that was there", of("a A B", "b C"), of("b A B C"), nil},
		{"nothing of it is left", of("a A"), of("b B"), nil},
		{"it stays", of("a A B"), of("a A", "b B"), nil},
		{"without messages", of("a"), of("b"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := moves(tt.old, tt.now); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
