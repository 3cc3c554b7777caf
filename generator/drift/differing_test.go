package drift

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// What Differing leaves out changes nothing that Compare finds.
func TestDiffering(t *testing.T) {
	files := map[string]string{
		"money.proto":  "message Money { int64 units = 1; } message Price { string units = 1; }",
		"alone.proto":  "message Alone { string id = 1; } service Quiet { rpc Get(Alone) returns (Alone); }",
		"order.proto":  "import \"money.proto\"; message Order { Money total = 1; }",
		"orders.proto": "import \"order.proto\"; service Orders { rpc Place(Order) returns (Order); }",
	}
	for name, tt := range map[string]struct {
		change map[string]string // empty: gone
		left   string            // after the change
		want   string
	}{
		"nothing":                             {},
		"what stands alone":                   {change: map[string]string{"alone.proto": "message Alone {} service Quiet { rpc Get(Alone) returns (Alone); }"}, left: "alone.proto", want: "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"},
		"what others import":                  {change: map[string]string{"money.proto": "message Money { string units = 1; }"}, left: "money.proto order.proto orders.proto", want: "FIELD_WIRE_COMPATIBLE_TYPE"},
		"a field of a type that is as it was": {change: map[string]string{"order.proto": "import \"money.proto\"; message Order { Price total = 1; }"}, left: "money.proto order.proto orders.proto", want: "FIELD_SAME_TYPE FIELD_WIRE_COMPATIBLE_TYPE"},
		"a file that is gone":                 {change: map[string]string{"alone.proto": ""}, want: "SERVICE_NO_DELETE"},
		"a new file":                          {change: map[string]string{"new.proto": "message New {}"}, left: "new.proto"},
		"an import is gone":                   {change: map[string]string{"orders.proto": "service Orders { rpc Place(Ask) returns (Ask); } message Ask { Ask more = 1; }"}, left: "money.proto order.proto orders.proto", want: "FIELD_SAME_CARDINALITY FIELD_SAME_JSON_NAME FIELD_SAME_NAME FIELD_SAME_TYPE FIELD_WIRE_COMPATIBLE_TYPE RPC_SAME_REQUEST_TYPE RPC_SAME_RESPONSE_TYPE"},
		"a new import":                        {change: map[string]string{"orders.proto": "import \"order.proto\"; import \"alone.proto\"; service Orders { rpc Place(Order) returns (Alone); }"}, left: "alone.proto money.proto order.proto orders.proto", want: "FIELD_SAME_CARDINALITY FIELD_SAME_JSON_NAME FIELD_SAME_NAME FIELD_WIRE_COMPATIBLE_TYPE RPC_SAME_RESPONSE_TYPE"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(files)
			maps.Copy(changed, tt.change)
			maps.DeleteFunc(changed, func(_, text string) bool { return text == "" })
			before, after := compiled(t, files), compiled(t, changed)
			whole, err := Compare(before, after)
			if err != nil {
				t.Fatal(err)
			}
			before.Files, after.Files, err = Differing(bytesOf(t, before.Files), bytesOf(t, after.Files))
			if err != nil {
				t.Fatal(err)
			}
			part, err := Compare(before, after)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(part, whole) {
				t.Errorf("got %v, want %v", part, whole)
			}
			var rules, left []string
			for _, c := range whole {
				rules = append(rules, c.Rule)
			}
			for _, f := range after.Files.File {
				left = append(left, f.GetName())
			}
			slices.Sort(rules)
			slices.Sort(left)
			if got := strings.Join(slices.Compact(rules), " "); got != tt.want {
				t.Errorf("found %s, want %s", got, tt.want)
			}
			if got := strings.Join(left, " "); got != tt.left {
				t.Errorf("left %s, want %s", got, tt.left)
			}
		})
	}
}

// Half a set is an error.
func TestDifferingUnreadable(t *testing.T) {
	set := bytesOf(t, compiled(t, map[string]string{"a.proto": "message A { string id = 1; }"}).Files)
	for n := range set {
		if _, _, err := Differing(set, set[:n]); n > 0 && err == nil {
			t.Errorf("%d of %d bytes were read", n, len(set))
		}
	}
}

// compiled is the contract of those proto files.
func compiled(t *testing.T, sources map[string]string) Contract {
	t.Helper()
	texts := map[string]string{}
	for name, text := range sources {
		texts[name] = "syntax = \"proto3\"; package t.v1; " + text
	}
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(texts)}}
	files, err := compiler.Compile(context.Background(), slices.Sorted(maps.Keys(texts))...)
	if err != nil {
		t.Fatal(err)
	}
	c := Contract{Files: &descriptorpb.FileDescriptorSet{}, Events: []Event{{Message: "t.v1.Order"}}}
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		c.Files.File = append(c.Files.File, protodesc.ToFileDescriptorProto(fd))
		for i := range fd.Services().Len() {
			c.Services = append(c.Services, string(fd.Services().Get(i).FullName()))
		}
	}
	for _, fd := range files {
		add(fd)
	}
	return c
}

func bytesOf(t *testing.T, set *descriptorpb.FileDescriptorSet) []byte {
	t.Helper()
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
