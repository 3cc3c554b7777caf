package typecheck

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/svcgen/svcgen/generator/diag"
)

// module is what svcgen and a user have made of m.test, as far as it matters here.
const module = `
-- gen/v1/v1.go --
package v1
import (
	"context"
	"google.golang.org/grpc"
)
type R struct{ Note string }
type Order struct{}
type Caller interface{}
type Server interface {
	M(context.Context, *R) (*R, error)
	Watch(*R, grpc.ServerStreamingServer[R]) error
}
type Unimplemented struct{}
func (Unimplemented) M(context.Context, *R) (*R, error) { return nil, nil }
func (Unimplemented) Watch(*R, grpc.ServerStreamingServer[R]) error { return nil }
func Register(grpc.Registrar, Server) {}
-- gen/still/still.go --
package still
type Unchanged struct{}
-- gen/app/services.go --
package app
import (
	"google.golang.org/grpc"
	"m.test/gen/v1"
	"m.test/impl"
	"m.test/user"
)
func register(r grpc.Registrar) {
	v1.Register(r, user.New())
	v1.Register(r, impl.Impl{})
}
-- impl/impl.go --
package impl
import (
	"context"
	"m.test/gen/v1"
)
type Impl struct{ v1.Unimplemented }
func (Impl) M(context.Context, *v1.R) (*v1.R, error) { return nil, nil }
-- user/user.go --
package user
import (
	"elsewhere.test/noise/v2"
	"google.golang.org/grpc"
	"m.test/gen/still"
	"m.test/gen/v1"
	"m.test/impl"
)
type S struct {
	v1.Unimplemented
	deep
}
type myStream struct{ field any }
type noisy struct{ grpc.Noise }
type deep struct{ impl.Impl }
func New() *S { return &S{} }
func (s *S) use(r *v1.R) string {
	_ = still.Unchanged{}.Unknown
	var _ = v1.Unimplemented{}.Watch(r, myStream{})
	noise.Do(s.Unknown, noisy{}.Noisy())
	é := ""; _ = é + r.Note
	return r.Note
}
-- user/user_windows.go --
package user
var other = v1.R{}.Gone
-- user/user_test.go --
package user
import "m.test/gen/v1"
var x = v1.R{Note: "x"}
-- user/outside_test.go --
package user_test
import (
	"m.test/gen/v1"
	"m.test/user"
)
var x, y = v1.R{}.Note, user.New()
-- far/type.go --
package far
type T struct{}
-- far/extra.go --
package far
type U struct{}
-- far/more.go --
package far
func (U) Extra() {}
-- far/blank.go --
package far
import _ "m.test/gen/v1"
-- far/method.go --
package far
import "m.test/gen/v1"
func (T) Get() v1.R { return v1.R{} }
-- far/use.go --
package far
func use() string { return T{}.Get().Note }
-- far/call.go --
package far
import "m.test/gen/v1"
var _ v1.Caller = U{}
`

func TestBroken(t *testing.T) {
	tests := []struct {
		name, file, old, now string // what changes, and how
		want                 string
	}{
		{"nothing", "gen/v1/v1.go", "Order", "Order", ""},
		{"something is added", "gen/v1/v1.go", "type Order", "type More struct{}\ntype Order", ""},
		{
			"a field goes", "gen/v1/v1.go", "Note string", "",
			"far/use.go:2:38 T{}.Get().Note undefined (type\nuser/outside_test.go:6:19 v1.R{}.Note undefined (type\nuser/user.go:21:21 r.Note undefined (type\nuser/user.go:22:11 r.Note undefined (type\nuser/user_test.go:3:14 unknown field Note",
		},
		{
			"a method has other types", "gen/v1/v1.go", "\tM(context.Context, *R)", "\tM(context.Context, *Order)",
			"gen/app/services.go:9:17 cannot use user.New()\ngen/app/services.go:10:17 cannot use impl.Impl{}",
		},
		{
			"a method is new", "gen/v1/v1.go", "\tM(context.Context, *R)", "\tNew()\n\tM(context.Context, *R)",
			"gen/app/services.go:9:17 cannot use user.New()\ngen/app/services.go:10:17 cannot use impl.Impl{}",
		},
		{
			"a method is new, and there is one", "gen/v1/v1.go", "Caller interface{}", "Caller interface{ Extra() }", "",
		},
		{
			"a stream has another type", "gen/v1/v1.go", "\tWatch(*R, grpc.ServerStreamingServer[R])", "\tWatch(*R, grpc.ServerStreamingServer[Order])",
			"gen/app/services.go:9:17 cannot use user.New()\ngen/app/services.go:10:17 cannot use impl.Impl{}",
		},
		{
			"a package goes: every file that imports it is told", "gen/v1/v1.go", module[strings.Index(module, "package v1"):strings.Index(module, "-- gen/still")], "",
			"far/blank.go:2:8 could not import\nfar/call.go:2:8 could not import\nfar/method.go:2:8 could not import\ngen/app/services.go:4:2 could not import\nimpl/impl.go:4:2 could not import\nuser/outside_test.go:3:2 could not import\n" +
				"user/user.go:6:2 could not import\nuser/user_test.go:2:8 could not import",
		},
		{
			"other types of packages that are as they were", "far/method.go", "import \"m.test/gen/v1\"\nfunc (T) Get() v1.R", "import (\"m.test/gen/v1\"; \"m.test/gen/still\")\nfunc (T) Get() still.Unchanged",
			"far/method.go:3:41 cannot use v1.R{}\nfar/use.go:2:38 T{}.Get().Note undefined (type",
		},
		{"an import from elsewhere has lost its use", "user/user.go", "type noisy struct{ grpc.Noise }", "type noisy struct{}", `user/user.go:4:2 "google.golang.org/grpc" imported and`},
		{"a package nobody else can see", "alone/alone.go", "", "package alone\nvar x int = y", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := tree{files: map[string][]byte{}, changed: map[string][]byte{}}
			for _, f := range txtar.Parse([]byte(module)).Files {
				m.files[f.Name] = f.Data
			}
			if now := strings.Replace(string(m.files[test.file]), test.old, test.now, 1); now == "" {
				m.changed[test.file] = nil
			} else {
				m.changed[test.file] = []byte(now)
			}
			var got []string
			for _, d := range must(m.change(func(name string) bool { return name == "gen/app/services.go" || !strings.HasPrefix(name, "gen/") })).Broken() {
				words := strings.Fields(d.Message)
				if !d.Warning || !strings.HasSuffix(d.Message, "; it compiled before") {
					t.Errorf("%v", d)
				}
				got = append(got, fmt.Sprint(d.Pos, " ", strings.Join(words[:min(3, len(words))], " ")))
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), test.want)
			}
		})
	}
}

// TestCheckerFails is about code that go/types of Go 1.26 does not get over: it is no reason for a run to end.
func TestCheckerFails(t *testing.T) {
	m := tree{files: map[string][]byte{
		"gen/a.go": []byte("package gen\n"),
		"user/u.go": []byte(`package user
import _ "m.test/gen"
type G[P any] struct{}
type A map[string][len(unknown)]B
type B = C
type C struct { X G[B]; Unknown }
`),
	}, changed: map[string][]byte{"gen/a.go": []byte("package other\n")}}
	ask := func(name string) bool { return strings.HasPrefix(name, "user/") }
	for _, d := range must(m.change(ask)).Broken() {
		if !strings.Contains(d.Message, "is not known") {
			t.Errorf("%v", d)
		}
	}
}

// TestUnreadable is about a file that cannot be read when it is known that it matters, while the change is made.
func TestUnreadable(t *testing.T) {
	long := "package far\n\ntype T struct{ F string }\n\n//" + strings.Repeat("x", Beginning)
	files := map[string][]byte{
		"gen/a.go":  []byte("package gen\n\ntype R struct{ F string }\n"),
		"far/t.go":  []byte(long)[:Beginning],
		"user/u.go": []byte("package user\n\nimport (\n\t\"m.test/far\"\n\t\"m.test/gen\"\n)\n\nfunc f(r gen.R) far.T { return far.T{F: r.F} }\n"),
	}
	broken := func(read func(string) ([]byte, error)) diag.List {
		code := must(Read("m.test", files, func(name string) bool { return strings.HasPrefix(name, "user/") }, read))
		return must(code.Change(map[string][]byte{"gen/a.go": []byte("package gen\n\ntype R struct{ F int }\n")}, nil)).Broken()
	}
	if got := broken(func(string) ([]byte, error) { return []byte(long), nil }); len(got) != 1 || got[0].Pos.File != "user/u.go" {
		t.Errorf("got %v", got)
	}
	if got := broken(func(string) ([]byte, error) { return nil, errors.New("as told") }); len(got) != 1 || !strings.Contains(got[0].Message, "is not known: as told") {
		t.Errorf("got %v", got)
	}
}

// TestStreams is about what goes through a stream, whose type comes from elsewhere: all that streaming methods do with
// messages. What else a stream has is not known, and no fault.
func TestStreams(t *testing.T) {
	user := `package user

import (
	"google.golang.org/grpc"
	"m.test/gen"
)

func bidi(s grpc.BidiStreamingServer[gen.R, gen.R]) {
	r, _ := s.Recv()
	_ = r.Note
	_ = s.Send(&gen.R{})
	<-s.Context().Done()
}

func up(s gen.Up) error {
	r, err := s.Recv()
	if r.Note != "" {
		return err
	}
	return s.SendAndClose(gen.Old())
}

func down(s gen.Down) error { return s.Send(gen.Old()) }

func call(b grpc.BidiStreamingClient[gen.R, gen.R], u grpc.ClientStreamingClient[gen.R, gen.R], d gen.DownClient) {
	r, _ := b.Recv()
	_ = r.Note
	r, _ = u.CloseAndRecv()
	_ = r.Note
	r, _ = d.Recv()
	_ = r.Note
	_, _ = b.Header()
	_ = b.CloseSend()
}

type fake struct{ grpc.ServerStream }

func (fake) Recv() (*gen.R, error) { return nil, nil }
func (fake) Send(*gen.R) error     { return nil }

func fakes(s grpc.BidiStreamingServer[gen.R, gen.R]) {
	bidi(s)
	gen.Serve(fake{})
	gen.Serve(nil)
}
`
	gen := `package gen

import "google.golang.org/grpc"

type (
	Up         = grpc.ClientStreamingServer[R, R]
	Down       = grpc.ServerStreamingServer[R]
	DownClient = grpc.ServerStreamingClient[R]
)

type R struct{ Note string }

func Old() *R { return nil }

func Serve(grpc.BidiStreamingServer[R, R]) {}
`
	tests := []struct {
		name, now, want string
	}{
		{"nothing", gen, ""},
		{"a field goes", strings.Replace(gen, "Note string", "", 1), "10 17 27 29 31"},
		{"one is added", strings.Replace(gen, "Note string", "Note string; More int", 1), ""},
		{
			"others go through it", strings.NewReplacer("[R, R]", "[S, S]", "[R]", "[S]").Replace(gen) + "type S struct { Note int }\n",
			"17 20 23 30 43",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := tree{
				files:   map[string][]byte{"gen/g.go": []byte(gen), "user/u.go": []byte(user)},
				changed: map[string][]byte{"gen/g.go": []byte(test.now)},
			}
			var lines []string
			for _, d := range must(m.change(func(name string) bool { return strings.HasPrefix(name, "user/") })).Broken() {
				lines = append(lines, fmt.Sprint(d.Pos.Line))
			}
			if got := strings.Join(lines, " "); got != test.want {
				t.Errorf("got lines %s, want %s", got, test.want)
			}
		})
	}
}
