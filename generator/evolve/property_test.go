package evolve

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/ir"
)

var (
	cases = flag.Int("cases", 4000, "random cases of the property test")
	seed  = flag.Uint64("seed", 1, "of the first case; each case has the next one")
)

// TestProperties edits random packages for random changes of their contract, and holds the result against the
// promises: no line of a body is lost, doubled or moved; a signature that changed fits; a second edit changes nothing.
func TestProperties(t *testing.T) {
	for i := range uint64(*cases) {
		s := *seed + i
		w := world{rand.New(rand.NewPCG(s, 0))}
		old := w.contract()
		now := w.change(old)
		files := w.files(old)
		plan, err := Compare(&old, now, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", s, err)
		}
		result, err := plan.Edit(files)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", s, err, all(files))
		}
		after := maps.Clone(files)
		maps.Copy(after, result.Content)
		if problem := broken(plan, files, after); problem != "" {
			t.Fatalf("seed %d: %s\nbefore\n%s\nafter\n%s", s, problem, all(files), all(after))
		}
	}
}

// broken is the promise that was not kept.
func broken(plan Plan, before, after map[string][]byte) string {
	for name := range before {
		if a, b := marks(before[name]), marks(after[name]); !slices.Equal(a, b) {
			return fmt.Sprintf("%s: lines %v became %v", name, a, b)
		}
		if bytes.Count(before[name], []byte("\r\n")) > 0 && bytes.Count(after[name], []byte("\n")) != bytes.Count(after[name], []byte("\r\n")) {
			return name + ": line endings are mixed"
		}
	}
	pkg, errs := goedit.Parse(plan.Package, after)
	if errs != nil {
		return errs.Error()
	}
	for decl, s := range plan.changed {
		for _, m := range pkg.Methods(decl.Type, decl.Method) {
			if !m.Fits(s.want) {
				return decl.String() + " does not fit"
			}
		}
	}
	again, err := plan.Edit(after)
	if err != nil {
		return err.Error()
	}
	for name := range again.Content {
		return name + ": a second edit changes it"
	}
	return ""
}

var mark = regexp.MustCompile(`(?m)^.*mark-\d+.*$`)

// marks are the lines that are certainly the user's.
func marks(src []byte) []string { return mark.FindAllString(string(src), -1) }

func all(files map[string][]byte) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&b, "-- %s --\n%s", name, files[name])
	}
	return b.String()
}

// world makes random things.
type world struct{ *rand.Rand }

func pick[T any](w world, list ...T) T { return list[w.IntN(len(list))] }

func (w world) typ() contract.Type {
	v := pick(w, "v1", "v2")
	return contract.Type{Path: "example.com/gen/" + v, Alias: "a" + v, Name: pick(w, "A", "B", "C")}
}

func (w world) method(name string) contract.Method {
	return contract.Method{Name: name, Kind: pick(w, ir.Unary, ir.Unary, ir.ServerStream, ir.ClientStream, ir.BidiStream), In: w.typ(), Out: w.typ()}
}

func (w world) contract() contract.Contract {
	types := []string{"A", "B", "C"}
	c := contract.Contract{Module: "example.com", Folder: "p", Package: "p", Messages: []contract.Package{{Path: "example.com/gen/v1", Types: types}, {Path: "example.com/gen/v2", Types: types[:2]}}}
	for _, typ := range []string{"S", "T"} {
		s := contract.Service{Proto: "x." + typ, Type: typ}
		for i := range 1 + w.IntN(4) {
			s.Methods = append(s.Methods, w.method(fmt.Sprintf("M%d", i)))
		}
		c.Services = append(c.Services, s)
	}
	for i := range 1 + w.IntN(3) {
		c.Consumes = append(c.Consumes, w.handler(fmt.Sprintf("On%d", i)))
	}
	return c
}

func (w world) handler(name string) contract.Method {
	return contract.Method{Name: name, Kind: contract.Handler, In: w.typ()}
}

// change is a contract some time later.
func (w world) change(old contract.Contract) contract.Contract {
	now := old
	now.Services = nil
	for _, s := range old.Services {
		var methods []contract.Method
		for _, m := range s.Methods {
			switch w.IntN(5) {
			case 0: // gone
			case 1:
				methods = append(methods, w.method(m.Name))
			case 2:
				m.In = w.typ()
				methods = append(methods, m)
			default:
				methods = append(methods, m)
			}
		}
		if w.IntN(3) == 0 {
			methods = append(methods, w.method("New"))
		}
		s.Methods = methods
		now.Services = append(now.Services, s)
	}
	now.Consumes = []contract.Method{}
	for _, m := range old.Consumes {
		switch w.IntN(5) {
		case 0: // gone
		case 1:
			now.Consumes = append(now.Consumes, w.handler(m.Name))
		default:
			now.Consumes = append(now.Consumes, m)
		}
	}
	if w.IntN(3) == 0 { // example.com/gen/v1 moves
		now.Messages = slices.Clone(now.Messages)
		now.Messages[0].Path = "example.com/gen/moved"
		for _, s := range now.Types() {
			for j := range s.Methods {
				m := &s.Methods[j]
				for _, t := range []*contract.Type{&m.In, &m.Out} {
					if t.Path == "example.com/gen/v1" {
						t.Path = "example.com/gen/moved"
					}
				}
			}
		}
	}
	return now
}

// files is a package somebody has worked on: methods split over files at random, names and layout of their own.
func (w world) files(c contract.Contract) map[string][]byte {
	bodies := map[string]*strings.Builder{}
	n := 0
	line := func(b *strings.Builder) {
		n++
		fmt.Fprintf(b, "\t_ = \"func (s *S) M0(\" // mark-%d%s\n", n, pick(w, "", "  ", " é {", " /* x */"))
	}
	alias := map[string]string{"example.com/gen/v1": pick(w, "av1", "pb", "ctx1"), "example.com/gen/v2": pick(w, "av2", "other")}
	file := func(name string) *strings.Builder {
		if bodies[name] == nil {
			bodies[name] = &strings.Builder{}
		}
		return bodies[name]
	}
	for _, s := range c.Types() {
		b := file("p/types.go")
		fmt.Fprintf(b, "type %s struct{\n\tm int // mark-0\n}\n", s.Type)
		for _, m := range s.Methods {
			b := file(fmt.Sprintf("p/f%d.go", w.IntN(3)))
			in, out := alias[m.In.Path]+"."+m.In.Name, alias[m.Out.Path]+"."+m.Out.Name
			recv := pick(w, "s *", "self *", "_ ", " x  *") + s.Type
			fmt.Fprintf(b, "\n// %s is mark-%d.\n", m.Name, n)
			space := pick(w, "", " ", "  ")
			switch m.Kind {
			case ir.Unary:
				fmt.Fprintf(b, "func (%s) %s(%sc context.Context, in *%s)%s %s {\n", recv, m.Name, space, in, space, pick(w, "(*"+out+", error)", "(_ *"+out+",err error)"))
			case contract.Handler:
				fmt.Fprintf(b, "func (%s) %s(ctx context.Context, %stx *store.Tx, ev *%s) error {\n", recv, m.Name, space, in)
			case ir.ServerStream:
				fmt.Fprintf(b, "func (%s) %s(in *%s, %sst grpc.ServerStreamingServer[%s]) error {\n", recv, m.Name, in, space, out)
			case ir.ClientStream:
				fmt.Fprintf(b, "func (%s) %s(st grpc.ClientStreamingServer[%s,%s%s]) error {\n", recv, m.Name, in, space, out)
			default:
				fmt.Fprintf(b, "func (%s) %s(st grpc.BidiStreamingServer[%s,%s%s]) error {\n", recv, m.Name, in, space, out)
			}
			for range 1 + w.IntN(3) {
				line(b)
			}
			b.WriteString("}\n")
			if w.IntN(3) == 0 {
				fmt.Fprintf(b, "func helper%d() {\n", n)
				line(b)
				b.WriteString("}\n")
			}
		}
	}
	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		head := "package p\n\nimport (\n\t\"context\"\n\t\"google.golang.org/grpc\"\n\t\"example.com/internal/gen/store\"\n"
		for _, path := range slices.Sorted(maps.Keys(alias)) {
			head += fmt.Sprintf("\t%s %q // mark-import\n", alias[path], path)
		}
		text := pick(w, "", "// mark-0 licence\n\n", "//go:build windows\n\n") + head + ")\n" + bodies[name].String()
		if w.IntN(3) == 0 {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		files[name] = []byte(text)
	}
	return files
}
