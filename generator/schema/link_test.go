package schema

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// big is a proto that fills a group by itself, so that the next file is in another.
func big(imports, declares string) string {
	padding := strings.Repeat("// padding\n", groupSize/len("// padding\n")+1)
	return "syntax = \"proto2\";\npackage p;\n" + imports + declares + "\n" + padding
}

// A mistake between two groups is found as it is within one, at its place and with all others.
func TestGroupsClash(t *testing.T) {
	for name, tt := range map[string]struct{ a, b, want string }{
		"messages":                {"message M {}", "message M {}", `symbol "p.M" already defined`},
		"a message and a service": {"message M {}", "service M {}", `symbol "p.M" already defined`},
		"an enum's value":         {"enum A { X = 0; }", "enum B { X = 0; }", `symbol "p.X" already defined`},
		"a name and a package":    {"message M {}", "", ""},
		"extension numbers": {
			"message E { extensions 1 to 9; } extend E { optional int32 a = 1; }",
			"extend E { optional int32 b = 1; }", "extension with tag 1 for message p.E already defined",
		},
		"within messages": {"message A { message M {} }", "message B { message M {} }", ""},
		"an unknown type": {"message A {}", "message B { optional Nothing n = 1; }", "unknown type Nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := compile(t, Input{
				Files: entries("a.proto", "b.proto"),
				Roots: []Root{files(map[string]string{"a.proto": big("", tt.a), "b.proto": big("import \"a.proto\";\n", tt.b)})},
			})
			if tt.want == "" && errs != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("got %q, want %q", errs, tt.want)
			}
			if tt.want != "" && !strings.Contains(errs, "b.proto:4:") {
				t.Errorf("the place in b.proto is missing: %s", errs)
			}
		})
	}
}

// The mistakes of all groups are reported, not those of the first only.
func TestGroupsMistakes(t *testing.T) {
	_, errs := compile(t, Input{
		Files: entries("a.proto", "b.proto"),
		Roots: []Root{files(map[string]string{"a.proto": big("", "message A { optional Nil n = 1; }"), "b.proto": big("", "message B { optional No n = 1; }")})},
	})
	for _, want := range []string{"root/a.proto:3:22: field p.A.n: unknown type Nil", "root/b.proto:3:22: field p.B.n: unknown type No"} {
		if !strings.Contains(errs, want) {
			t.Errorf("no %q in %s", want, errs)
		}
	}
}

// Files in several groups use each other's types, and everything in them still has its place and its comment.
func TestGroups(t *testing.T) {
	content := map[string]string{}
	var names []string
	for i := range 4 {
		imports, field := "", ""
		if i > 0 {
			imports = fmt.Sprintf("import \"f%d.proto\";\n", i-1)
			field = fmt.Sprintf("optional M%d m = 1;", i-1)
		}
		name := fmt.Sprintf("f%d.proto", i)
		names = append(names, name)
		content[name] = big(imports, fmt.Sprintf("\n// M%d is one.\nmessage M%d { %s }\nservice S%d { rpc Do(M%d) returns (M%d); }", i, i, field, i, i, i))
	}
	s, errs := compile(t, Input{Files: entries(names...), Roots: []Root{files(content)}})
	if errs != "" {
		t.Fatal(errs)
	}
	last := s.File("f3.proto")
	message, service := last.Desc().Messages().Get(0), last.Desc().Services().Get(0)
	if of := message.Fields().Get(0).Message(); of != s.File("f2.proto").Desc().Messages().Get(0) {
		t.Errorf("the type of a field is another one than the group before declares: %v", of)
	}
	if got := last.Desc().SourceLocations().ByDescriptor(message).LeadingComments; got != " M3 is one.\n" {
		t.Errorf("its comment is %q", got)
	}
	for d, want := range map[protoreflect.Descriptor]string{
		service: "root/f3.proto:7:9", service.Methods().Get(0): "root/f3.proto:7:18", // kept
		message: "root/f3.proto:6:9", message.Fields().Get(0): "root/f3.proto:6:26", // found again
	} {
		if got := s.Pos(d).String(); got != want {
			t.Errorf("%s is at %s, want %s", d.FullName(), got, want)
		}
	}
}
