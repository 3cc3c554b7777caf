package goedit

import (
	"maps"
	"testing"
)

func TestHasMethod(t *testing.T) {
	files := map[string][]byte{
		"a.go":         []byte("package orders\ntype OrderService struct{ base; *deep; other.Thing }\nfunc (_ OrderService) Value() {}\nfunc Free() {}\n"),
		"b_windows.go": []byte("//go:build windows\n\npackage orders\nfunc (s *OrderService) Windows() {}\n"),
		"c.go":         []byte("package orders\ntype base struct{}\nfunc (base) Promoted() {}\ntype deep struct{ iface; base }\ntype iface interface{ ByInterface() }\n"),
		"decoy.go":     []byte("package orders\n// func (s *OrderService) Comment() {}\nvar s = \"func (s *OrderService) Text() {}\"\ntype Else struct{}\nfunc (Else) Decoy() {}\nfunc Decoy() {}\n"),
		"a_test.go":    []byte("package orders\nfunc (s *OrderService) InTest() {}\n"),
		"other.go":     []byte("package main\nfunc (s *OrderService) InMain() {}\n"),
		"generic.go":   []byte("package orders\ntype G[T any] struct{ G2[T] }\ntype G2[T any] struct{}\nfunc (G2[T]) OfGeneric() {}\n"),
		"alias.go":     []byte("package orders\ntype Short = OrderService\ntype Ref = *Short\nfunc (Short) OnAlias() {}\nfunc (r Ref) OnPointer() {}\ntype Long = long\ntype long struct{}\nfunc (long) BelowAlias() {}\ntype A = B\ntype B = A\n"),
		"shape.go":     []byte("package orders\ntype Shaped shape\ntype shape struct{ base }\nfunc (shape) NotOfShaped() {}\ntype Pointed *shape\ntype Face iface\n"),
		"dot.go":       []byte("package orders\nimport . \"example.com/dot\"\ntype Dotted struct{ *Far; base }\n"),
	}
	pkg, errs := Parse("orders", files)
	if errs != nil {
		t.Fatal(errs)
	}
	for _, test := range []struct {
		recv, name string
		want       bool
	}{
		{"OrderService", "Value", true},
		{"OrderService", "Windows", true},
		{"OrderService", "Promoted", true},
		{"OrderService", "ByInterface", true},
		{"G", "OfGeneric", true},
		{"OrderService", "OnAlias", true},
		{"OrderService", "OnPointer", true},
		{"Long", "BelowAlias", true},
		{"A", "OnAlias", false},
		{"Shaped", "Promoted", true},
		{"Shaped", "NotOfShaped", false},
		{"Pointed", "Promoted", false},
		{"Face", "ByInterface", true},
		{"OrderService", "Comment", false},
		{"OrderService", "Text", false},
		{"OrderService", "Decoy", false},
		{"OrderService", "Free", false},
		{"OrderService", "InTest", false},
		{"OrderService", "InMain", false},
	} {
		if got, _ := pkg.HasMethod(test.recv, test.name); got != test.want {
			t.Errorf("%s.%s: %t, want %t", test.recv, test.name, got, test.want)
		}
	}
	for recv, want := range map[string]Promoted{"OrderService": {"", "Thing"}, "Dotted": {"example.com/dot", "Far"}} {
		if _, got := pkg.HasMethod(recv, "Nope"); len(got) != 1 || got[0] != want {
			t.Errorf("%s may have methods from %v, want %v", recv, got, want)
		}
	}
	if !pkg.HasType("base") || pkg.HasType("Nope") || len(pkg.Methods("", "Free")) != 1 || len(pkg.Methods("", "Value")) > 0 {
		t.Error("types or functions are not found as they should be")
	}
}

func TestParsePointsAtTheLine(t *testing.T) {
	for _, test := range []struct {
		name, src string
		line, col int
		message   string
	}{
		{"syntax error", "package orders\n\nfunc f( {\n", 3, 9, "expected ')', found '{'"},
		{"conflict markers", "package orders\n\nfunc f() {}\n<<<<<<< HEAD\n=======\n>>>>>>> b\n", 4, 1, "a merge conflict is left in this file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, errs := Parse("orders", map[string][]byte{"x.go": []byte(test.src), "ok.go": []byte("package orders\n")})
			if len(errs) != 1 {
				t.Fatalf("errors %+v", errs)
			}
			got := errs[0]
			if got.Pos.File != "x.go" || got.Pos.Line != test.line || got.Pos.Col != test.col || got.Message != test.message || got.Hint == "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestGenerics proves that a method of a type that is a generic one with type arguments is found, and what it is declared on.
func TestGenerics(t *testing.T) {
	const src = "package orders\ntype OrderService = service[int]\ntype Pair = (pair[int, string])\ntype Plain = plain\ntype Made service[int]\n" +
		"type service[T any] struct{}\nfunc (s *service[T]) Place() {}\ntype pair[A, B any] struct{}\nfunc (pair[_, _]) Both() {}\ntype plain struct{}\n"
	f, errs := ParseFile("a.go", []byte(src))
	if errs != nil {
		t.Fatal(errs)
	}
	got := map[string]string{}
	f.Generics(got)
	if want := map[string]string{"OrderService": "service[_]", "Pair": "pair[_, _]"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	pkg, errs := Parse("orders", map[string][]byte{"a.go": []byte(src)})
	if errs != nil {
		t.Fatal(errs)
	}
	for _, test := range []struct {
		recv, name string
		want       bool
	}{{"OrderService", "Place", true}, {"Pair", "Both", true}, {"Pair", "Place", false}, {"Made", "Place", false}} {
		if got, _ := pkg.HasMethod(test.recv, test.name); got != test.want {
			t.Errorf("%s.%s: %t, want %t", test.recv, test.name, got, test.want)
		}
	}
}
