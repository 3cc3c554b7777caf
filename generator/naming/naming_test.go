package naming

import (
	"go/token"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// TestCamel compares with protogen, whose names the generated code has.
func TestCamel(t *testing.T) {
	names := []string{
		"Order", "order", "order_id", "_order", "__order", "order__id", "Order_ID", "order_1", "order1_id", "o_", "O", "oId",
		"HTTPServer", "x_Y", "_1", "a_b_c", "A_B_C", "get_", "_get", "X_", "a__", "a1b2",
	}
	file := &descriptorpb.FileDescriptorProto{
		Name:    new("x.proto"),
		Syntax:  new("proto3"),
		Options: &descriptorpb.FileOptions{GoPackage: new("example.com/x")},
	}
	for _, name := range names {
		file.MessageType = append(file.MessageType, &descriptorpb.DescriptorProto{Name: new(name)})
	}
	plugin, err := protogen.Options{}.New(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"x.proto"}, ProtoFile: []*descriptorpb.FileDescriptorProto{file},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range plugin.Files[0].Messages {
		if got := Camel(names[i]); got != m.GoIdent.GoName {
			t.Errorf("Camel(%q) = %q, protogen has %q", names[i], got, m.GoIdent.GoName)
		}
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{
		"PlaceOrder": "place_order", "HTTPServer": "http_server", "GetURL": "get_url", "Get": "get", "X": "x",
		"Place_Order": "place_order", "Order2Go": "order2_go", "ABTest": "ab_test", "A_B": "a_b", "Stop_": "stop", "place-order": "place_order",
	} {
		if got := Snake(in); got != want {
			t.Errorf("Snake(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPackage(t *testing.T) {
	for in, want := range map[string]string{
		"orders": "orders", "my-orders": "myorders", "Orders_V1": "ordersv1", "func": "funcpb", "string": "stringpb", "main": "mainpb",
		"3d": "pb3d", "": "pb", "größe": "gre", "---": "pb",
	} {
		got := Package(in)
		if got != want || !token.IsIdentifier(got) {
			t.Errorf("Package(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestVersioned(t *testing.T) {
	for in, want := range map[string]string{
		"acme.orders.v1": "ordersv1", "acme.orders.v1beta2": "ordersv1beta2", "acme.orders": "orders", "v1": "v1",
		"acme.validate": "validate", "acme.type": "typepb",
	} {
		if got := Versioned(strings.Split(in, ".")); got != want {
			t.Errorf("Versioned(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestPlatforms tries the name of every platform as the end of a file name.
func TestPlatforms(t *testing.T) {
	out, err := exec.Command("go", "tool", "dist", "list").Output()
	if err != nil {
		t.Skipf("go tool dist list: %v", err)
	}
	for line := range strings.FieldsSeq(string(out)) {
		goos, goarch, _ := strings.Cut(line, "/")
		for _, name := range []string{"x_" + goos, "x_" + goarch, "x_" + goos + "_" + goarch, "x_" + goos + "_test"} {
			if GoFile(name, "method") != name+"_method" {
				t.Errorf("%s.go would not be built everywhere", name)
			}
		}
	}
}

func TestGoFile(t *testing.T) {
	for in, want := range map[string]string{
		"place_order": "place_order", "windows": "windows", "for_windows": "for_windows_x", "a_linux_amd64": "a_linux_amd64_x",
		"amd64": "amd64", "do_test": "do_test_x", "test": "test", "con": "con_x", "CON.v1": "CON.v1_x", "com1": "com1_x", "com0": "com0",
		"_hidden": "hidden", ".hidden": "hidden", "-v": "v", "": "x", "...": "x", "a b/c": "a_b_c", "größe": "gr__e", "a_windows.v1": "a_windows.v1_x",
		"unix": "unix", "a_unix": "a_unix", "lpt9": "lpt9_x",
	} {
		if got := GoFile(in, "x"); got != want {
			t.Errorf("GoFile(%q) = %q, want %q", in, got, want)
		}
	}
	long := strings.Repeat("a", 300)
	a, b := GoFile(long+"a", "x"), GoFile(long+"b", "x")
	if len(a) > maxBase || a == b {
		t.Errorf("long names become %q and %q", a, b)
	}
}

func TestElem(t *testing.T) {
	for in, want := range map[string]string{
		"orders": "orders", "internal": "internal_", "vendor": "vendor_", "testdata": "testdata_", "_x": "x_x", ".x": "x", "-x": "x-x", "aux": "aux_",
		"a b": "a_b", "": "pb", "..": "pb", "x.": "x",
	} {
		if got := Elem(in); got != want {
			t.Errorf("Elem(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestScope(t *testing.T) {
	s := NewScope("orders")
	for _, tt := range []struct {
		wanted []string
		want   string
	}{
		{[]string{"orders"}, "orders2"},
		{[]string{"orders", "ordersv1"}, "ordersv1"},
		{[]string{"orders", "ordersv1"}, "ordersv12"},
		{[]string{"string"}, "string2"},
		{[]string{"func", "fn"}, "fn"},
	} {
		if got := s.Claim(tt.wanted...); got != tt.want {
			t.Errorf("Claim(%q) = %q, want %q", tt.wanted, got, tt.want)
		}
	}
}

func TestFiles(t *testing.T) {
	var f Files
	for _, tt := range []struct{ name, want string }{
		{"buy.go", "buy.go"}, {"Buy.go", "Buy2.go"}, {"buy2.go", "buy22.go"}, {"other.go", "other.go"},
	} {
		if got := f.Claim(".go", tt.name); got != tt.want {
			t.Errorf("Claim(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzGoFile(f *testing.F) {
	for _, s := range []string{"a_linux", "CON", "_x", "ü", "a/../b", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := GoFile(s, "x")
		if got == "" || special(got) || strings.ContainsAny(got, "/\\\x00 ") || strings.ContainsAny(got[:1], "._-") || len(got) > maxBase+2 {
			t.Errorf("GoFile(%q) = %q", s, got)
		}
	})
}
