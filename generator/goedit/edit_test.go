package goedit

import (
	"errors"
	"strings"
	"testing"
)

var (
	ctx   = Type{Path: "context", Alias: "context", Name: "Context"}
	errT  = Type{Name: "error"}
	place = Signature{
		Params:  []Type{ctx, {Star: true, Path: "acme.test/gen/v1", Alias: "ordersv1", Name: "PlaceRequest"}},
		Results: []Type{{Star: true, Path: "acme.test/gen/v1", Alias: "ordersv1", Name: "PlaceResponse"}, errT},
	}
	chat = Signature{
		Params: []Type{{Path: "google.golang.org/grpc", Alias: "grpc", Name: "BidiStreamingServer", Args: []Type{
			{Path: "acme.test/gen/v1", Alias: "ordersv1", Name: "Ask"}, {Path: "acme.test/gen/v1", Alias: "ordersv1", Name: "Answer"},
		}}},
		Results: []Type{errT},
	}
)

func TestRetype(t *testing.T) {
	tests := []struct {
		name, src, want string
		sig             Signature
		err             error
	}{
		{
			name: "already right, under the user's alias and with the user's names",
			sig:  place,
			src: `package orders
import (
	"context"
	pb "acme.test/gen/v1"
)
func (srv OrderService) M(c context.Context, in *pb.PlaceRequest) (out *pb.PlaceResponse, _ error) { return }
`,
		},
		{
			name: "the request type changed: only its name is replaced",
			sig:  place,
			src: `package orders
import (
	"context"
	pb "acme.test/gen/v1"
)
func (s *OrderService) M(  ctx   context.Context,req *pb.OldRequest) (*pb.PlaceResponse,error) { /* mine */ return nil,nil }
`,
			want: `package orders
import (
	"context"
	pb "acme.test/gen/v1"
)
func (s *OrderService) M(  ctx   context.Context,req *pb.PlaceRequest) (*pb.PlaceResponse,error) { /* mine */ return nil,nil }
`,
		},
		{
			name: "a type of another package: the import is added in the style of the block",
			sig:  place,
			src: "package orders\r\n\r\nimport (\r\n\t\"context\"\r\n\told \"acme.test/gen/old\" // why\r\n)\r\n\r\nvar ordersv1 = 1\r\n\r\n" +
				"func (s *OrderService) M(ctx context.Context, req *old.PlaceRequest) (*old.PlaceResponse, error) { return nil, nil }\r\n",
			want: "package orders\r\n\r\nimport (\r\n\t\"context\"\r\n\told \"acme.test/gen/old\" // why\r\n\tordersv12 \"acme.test/gen/v1\"\r\n)\r\n\r\nvar ordersv1 = 1\r\n\r\n" +
				"func (s *OrderService) M(ctx context.Context, req *ordersv12.PlaceRequest) (*ordersv12.PlaceResponse, error) { return nil, nil }\r\n",
		},
		{
			name: "single imports",
			sig:  place,
			src: `package orders
import "context"
func (s *OrderService) M(ctx context.Context, req *Old) (*Old, error) { return nil, nil }
`,
			want: `package orders
import "context"
import ordersv1 "acme.test/gen/v1"
func (s *OrderService) M(ctx context.Context, req *ordersv1.PlaceRequest) (*ordersv1.PlaceResponse, error) { return nil, nil }
`,
		},
		{
			name: "cgo's import block is left alone",
			sig:  place,
			src: `package orders
// #include <stdio.h>
import "C"
func (s *OrderService) M(ctx int, req int) (int, error) { return 0, nil }
`,
			want: `package orders

import context "context"
import ordersv1 "acme.test/gen/v1"
// #include <stdio.h>
import "C"
func (s *OrderService) M(ctx context.Context, req *ordersv1.PlaceRequest) (*ordersv1.PlaceResponse, error) { return 0, nil }
`,
		},
		{
			name: "dot import",
			sig:  place,
			src: `package orders
import ("context"; . "acme.test/gen/v1")
func (s *OrderService) M(ctx context.Context, req *Old) (*PlaceResponse, error) { return nil, nil }
`,
			want: `package orders
import ("context"; . "acme.test/gen/v1")
func (s *OrderService) M(ctx context.Context, req *PlaceRequest) (*PlaceResponse, error) { return nil, nil }
`,
		},
		{
			name: "type arguments of a stream",
			sig:  chat,
			src: `package orders
import ("google.golang.org/grpc"; pb "acme.test/gen/v1")
func (s *OrderService) M(stream grpc.BidiStreamingServer[pb.Ask, pb.Old]) error { return nil }
`,
			want: `package orders
import ("google.golang.org/grpc"; pb "acme.test/gen/v1")
func (s *OrderService) M(stream grpc.BidiStreamingServer[pb.Ask, pb.Answer]) error { return nil }
`,
		},
		{
			name: "comments and line breaks within the types",
			sig:  chat,
			src: `package orders
import ("google.golang.org/grpc"; pb "acme.test/gen/v1"; old "acme.test/gen/old")
func (s *OrderService) M(stream (grpc. /* server */ BidiStreamingServer[
	old. /* in */ Ask, // asked
	pb.Old, // answered
])) error { return nil }
`,
			want: `package orders
import ("google.golang.org/grpc"; pb "acme.test/gen/v1"; old "acme.test/gen/old")
func (s *OrderService) M(stream (grpc. /* server */ BidiStreamingServer[
	pb. /* in */ Ask, // asked
	pb.Answer, // answered
])) error { return nil }
`,
		},
		{
			name: "an import that leaves open how its package is called",
			sig:  place,
			src: `package orders
import ("context"; "acme.test/gen/v1")
func (s *OrderService) M(ctx context.Context, req *ordersv1.Old) (*ordersv1.PlaceResponse, error) { return nil, nil }
`,
			want: `package orders
import ("context"; "acme.test/gen/v1")
func (s *OrderService) M(ctx context.Context, req *ordersv1.PlaceRequest) (*ordersv1.PlaceResponse, error) { return nil, nil }
`,
		},
		{
			name: "another streaming kind",
			sig:  chat,
			src: `package orders
func (s *OrderService) M(ctx int, req int) (int, error) { return 0, nil }
`,
			err: ErrShape,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pkg, errs := Parse("orders", map[string][]byte{"m.go": []byte(test.src)})
			if errs != nil {
				t.Fatal(errs)
			}
			called := map[string]string{"acme.test/gen/v1": "ordersv1"}
			pkg.Files()[0].Know(called)
			methods := pkg.Methods("OrderService", "M")
			if len(methods) != 1 {
				t.Fatalf("found %d methods", len(methods))
			}
			edits, err := methods[0].Retype(test.sig)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			want := test.want
			if want == "" {
				want = test.src
			}
			got := Apply([]byte(test.src), edits)
			if string(got) != want {
				t.Fatalf("got\n%s\nwant\n%s", got, want)
			}
			again, errs := Parse("orders", map[string][]byte{"m.go": got})
			if errs != nil {
				t.Fatal(errs)
			}
			again.Files()[0].Know(called)
			if !again.Methods("OrderService", "M")[0].Fits(test.sig) {
				t.Error("the edited method does not fit")
			}
		})
	}
}

// TestDropUnused has an import that is used no more, b, where others share its line.
func TestDropUnused(t *testing.T) {
	tests := []struct{ name, imports, want string }{
		{"a line of its own", "import (\n\t\"a\"\n\t\"b\"\n)\n", "import (\n\t\"a\"\n)\n"},
		{"the first of a line", "import (\"b\"; \"a\")\n", "import ( \"a\")\n"},
		{"the last of a line", "import (\"a\"; \"b\")\n", "import (\"a\")\n"},
		{"two of a line", "import (\"a\"; \"b\"; \"x/b\")\n", "import (\"a\"; )\n"},
		{"before the parenthesis", "import (\n\t\"a\"\n\t\"b\")\n", "import (\n\t\"a\"\n\t)\n"},
		{"alone", "import (\"b\")\nimport \"a\"\n", "import ()\nimport \"a\"\n"},
		{"without parentheses", "import \"b\"; import \"a\"\n", " import \"a\"\n"},
		{"behind the package clause", "; import \"b\"\nimport \"a\"\n", "\nimport \"a\"\n"},
		{"with a comment", "import (\"a\"; /* mine */ \"b\")\n", "import (\"a\"; /* mine */ \"b\")\n"},
		{"with a comment within", "import (\"a\"; b /* mine */ \"x/b\")\n", "import (\"a\"; b /* mine */ \"x/b\")\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			parsed := func(body string) *File {
				sep := "\n"
				if strings.HasPrefix(test.imports, ";") {
					sep = ""
				}
				f, errs := ParseFile("m.go", []byte("package p"+sep+test.imports+body))
				if errs != nil {
					t.Fatal(errs)
				}
				return f
			}
			was, is := parsed("var _, _ = a.X, b.X\n"), parsed("var _ = a.X\n")
			got := string(Apply(is.Src, is.DropUnused(was)))
			want := strings.Replace(string(is.Src), test.imports, test.want, 1)
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if _, errs := ParseFile("m.go", []byte(got)); errs != nil {
				t.Error(errs)
			}
		})
	}
}

func TestRenameAndReplaceImport(t *testing.T) {
	src := `package orders

import (
	"context"

	"acme.test/gen/orders/v1"
	"acme.test/gen/v1/old"
)

// M stays documented.
func (s *OrderService) M(ctx context.Context) { orders.Use(old.X) }
`
	pkg, errs := Parse("orders", map[string][]byte{"m.go": []byte(src)})
	if errs != nil {
		t.Fatal(errs)
	}
	m := pkg.Methods("OrderService", "M")[0]
	edits := append(m.File.ReplaceImport("acme.test/gen/v1/old", "acme.test/gen/v2/new"), m.Rename("MUnary"))
	got := string(Apply([]byte(src), edits))
	want := strings.Replace(strings.Replace(src, `"acme.test/gen/v1/old"`, `old "acme.test/gen/v2/new"`, 1), ") M(", ") MUnary(", 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRebaseImports follows a module in a file that imports a package of it twice, and one in backquotes.
func TestRebaseImports(t *testing.T) {
	src := "package p\n\nimport (\n\ta \"m.test/old/x\"\n\tb \"m.test/old/x\"\n\ty `m.test/old/y`\n\t\"m.test/older\"\n)\n"
	f, errs := ParseFile("p.go", []byte(src))
	if errs != nil {
		t.Fatal(errs)
	}
	want := "package p\n\nimport (\n\ta \"n.test/x\"\n\tb \"n.test/x\"\n\ty \"n.test/y\"\n\t\"m.test/older\"\n)\n"
	if got := string(Apply(f.Src, f.RebaseImports("m.test/old", "n.test"))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
