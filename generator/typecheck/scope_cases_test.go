package typecheck

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestScopeCases does what TestScope does with what is hard to hit at random: of each way in which a change reaches a line of
// a file that does not name what changed.
func TestScopeCases(t *testing.T) {
	tests := []struct{ name, text, old, now string }{ // the first file that has old has now instead
		{"generic alias", `
-- gen/a/a.go --
package a
type M struct{ N string }
-- u/a.go --
package u
import "m.test/gen/a"
type Box[T any] struct{ V T }
type A = Box[a.M]
-- u/b.go --
package u
func get(x A) string { return x.V.N }
-- u/c.go --
package u
func id[T any](x T) T { return x }
var z = id(A{}).V
-- u/d.go --
package u
var y = z.N
`, "N string", ""},
		{"constants", `
-- gen/a/a.go --
package a
const C = 3
-- u/a.go --
package u
import "m.test/gen/a"
const D = a.C + 1
-- u/b.go --
package u
type Arr [D]int
-- u/c.go --
package u
var x Arr = [4]int{}
func f() { _ = Arr{}[3]; switch 4 { case D: case 4: } }
`, "C = 3", "C = 2"},
		{"iota", `
-- gen/a/a.go --
package a
const (
	A = iota
	B
	C
)
-- u/a.go --
package u
import "m.test/gen/a"
func f(i int) { switch i { case a.B: case 1+1: } }
`, "	B\n	C\n", "	C\n	B\n"},
		{"dot import", `
-- gen/a/a.go --
package a
type M struct{}
-- u/a.go --
package u
import . "m.test/gen/a"
var m M
-- u/b.go --
package u
type New int
`, "type M struct{}", "type M struct{}\ntype New int"},
		{"embedded interface", `
-- gen/a/a.go --
package a
type I interface { X() }
-- u/i.go --
package u
import "m.test/gen/a"
type J interface { a.I; Y() }
-- u/t.go --
package u
type T struct{}
-- u/t1.go --
package u
func (T) X() {}
-- u/t2.go --
package u
func (*T) Y() {}
func (*T) Z() {}
-- u/use.go --
package u
func use(J) {}
func f() { use(&T{}); var k K = T{}; _ = k }
-- u/k.go --
package u
type K interface { X() }
`, "X() }", "X(); W() }"},
		{"conversion", `
-- gen/a/a.go --
package a
type M struct{ A int }
type N struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
func m() a.M { return a.M{} }
func n() a.N { return a.N{} }
-- u/v.go --
package u
type L struct { A int }
func g() { x := m(); _ = L(x) }
`, "type M struct{ A int }", "type M struct{ A int; B int }"},
		{"ambiguous selector", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/t.go --
package u
import "m.test/gen/a"
type T struct { *a.M; own }
-- u/own.go --
package u
type own struct { B int }
-- u/use.go --
package u
func f(t *T) int { return t.B }
-- v/v.go --
package v
import "m.test/u"
func f(t *u.T) int { return t.M.A + t.B }
-- v/w.go --
package v
import "m.test/u"
var New = func() *u.T { return nil }
-- w/w.go --
package w
import "m.test/v"
func f() { _ = v.New().B }
`, "A int }", "A int; B int }"},
		{"external test", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
func M() a.M { return a.M{} }
-- u/in_test.go --
package u
func helper() int { return M().A }
func Exported() int { return M().A }
-- u/ex_test.go --
package u_test
import "m.test/u"
var x = u.M().A
var y string = u.Exported()
`, "A int", "A string"},
		{"comparable", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
type W struct { m a.M }
-- u/v.go --
package u
type X struct { w W }
-- u/w.go --
package u
func eq[T comparable](a, b T) bool { return a == b }
func f(a, b X) bool { return a == b && eq(a, b) }
var m map[X]int
`, "A int", "A []int"},
		{"fields of functions", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
type H struct { F func(a.M) *a.M; inner struct { m a.M } }
-- u/v.go --
package u
func f(h H) int { return h.inner.m.A + h.F(h.inner.m).A }
func g() { var h H; for range 3 { _ = h.inner.m.A } }
`, "A int", "B int"},
		{"method expression", `
-- gen/a/a.go --
package a
type M struct{}
func (M) Get() int { return 0 }
-- u/u.go --
package u
import "m.test/gen/a"
type T struct { a.M }
-- u/v.go --
package u
var f func(T) int = T.Get
`, "Get() int { return 0 }", "Get() string { return \"\" }"},
		{"a package not called as its folder", `
-- gen/a/a.go --
package other
type M struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
var M other.M
-- u/v.go --
package u
var x = M.A
`, "A int", "B int"},
		{"the root package", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- r.go --
package r
import "m.test/gen/a"
func F() *a.M { return nil }
-- cmd/x.go --
package main
import "m.test"
func main() { _ = r.F().A }
`, "A int", "B int"},
		{"error", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u.go --
package u
type E struct{}
-- u/e.go --
package u
func (E) Error() string { return "" }
-- u/f.go --
package u
import "m.test/gen/a"
func f(m a.M) error { _ = m.A; return E{} }
`, "A int", "B int"},
		{"syntax error and empty", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
func f() { _ = a.M{}.A; }
func (
-- u/e.go --
-- u/f.go --
package u
import "m.test/gen/a"
var x = a.M{}.A
`, "A int", "B int"},
		{"build tags", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u_windows.go --
package u
type T int
-- u/u_linux.go --
package u
import "m.test/gen/a"
type T = a.M
-- u/f.go --
package u
var x = T{}.A
`, "A int", "B int"},
		{"range over a function", `
-- gen/a/a.go --
package a
type M struct{ A int }
func All() func(func(M) bool) { return nil }
-- u/u.go --
package u
import "m.test/gen/a"
var all = a.All
-- u/f.go --
package u
func f() { for m := range all() { _ = m.A } }
`, "A int", "B int"},
		{"constraint", `
-- gen/a/a.go --
package a
type M struct{ A int }
type N struct{ A int }
-- u/u.go --
package u
import "m.test/gen/a"
type MN interface { a.M | a.N }
-- u/f.go --
package u
func f[T MN](x T) { _ = struct{ A int }(x) }
-- u/g.go --
package u
type L interface { ~struct{ A int } }
func l[T L](T) {}
func g[T MN](x T) { l(x) }
`, "type N struct{ A int }", "type N struct{ A, B int }"},
		{"cycle", `
-- gen/a/a.go --
package a
import "m.test/u"
type M struct{ A int; u u.T }
-- u/u.go --
package u
import "m.test/gen/a"
type T struct{ m *a.M }
var x = T{}.m.A
`, "A int", "B int"},
		{"shadowed import name", `
-- gen/a/a.go --
package a
type M struct{ A int }
-- u/u.go --
package u
import x "m.test/gen/a"
func f() { _ = x.M{} }
-- u/new.go --
package u
type old int
`, "type old int", "type x int"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := Module{Path: "m.test", Files: map[string][]byte{}, Changed: map[string][]byte{}}
			for _, f := range txtar.Parse([]byte(test.text)).Files {
				m.Files[f.Name] = f.Data
				if now := strings.ReplaceAll(string(f.Data), test.old, test.now); now != string(f.Data) && len(m.Changed) == 0 {
					m.Changed[f.Name] = []byte(now)
				}
			}
			after := maps.Clone(m.Files)
			maps.Copy(after, m.Changed)
			ask := func(name string) bool { return !strings.HasPrefix(name, "gen/") }
			n, w := newChange(m, after), newChange(m, after)
			s := n.scope(ask)
			got, want := n.broken(m, after, s), w.broken(m, after, w.everything(ask))
			if len(want) == 0 {
				t.Error("nothing breaks")
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got\n%v\nwant\n%v\nneeded %v", got, want, s.needed)
			}
		})
	}
}
