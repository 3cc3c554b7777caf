package drift

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

const header = "syntax = \"proto3\";\npackage t.v1;\nimport \"google/protobuf/timestamp.proto\";\n"

func contract(t *testing.T, body string) Contract {
	t.Helper()
	if !strings.HasPrefix(body, "syntax") && !strings.HasPrefix(body, "edition") {
		body = header + body + "\nmessage Uses { google.protobuf.Timestamp at = 1; }\n"
	}
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"t.proto": body}),
	})}
	files, err := compiler.Compile(context.Background(), "t.proto")
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	c := Contract{
		Files:  &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(files[0])}},
		Events: []Event{{Message: "t.v1.E", Topic: "events", Key: "id"}},
	}
	for i := range files[0].Services().Len() {
		c.Services = append(c.Services, string(files[0].Services().Get(i).FullName()))
	}
	return c
}

// TestCompare has one row for each rule: what was there, what is there now, and the one change that is told.
func TestCompare(t *testing.T) {
	const rpc = "service S { rpc M(E) returns (E); }\n"
	tests := []struct{ name, old, now, want string }{
		{"nothing changed", "message E { string id = 1; }", "message E { string id = 1; }", ""},
		{"field added", "message E { string id = 1; }", "message E { string id = 1; string more = 2; }", ""},
		{"comment and order", "message E { string id = 1; int32 n = 2; }", "// new\nmessage E { int32 n = 2; string id = 1; }", ""},
		{"number not reserved", "message E { string id = 1; int32 n = 2; }", "message E { string id = 1; }", "wire FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED t.v1.E.n"},
		{"name not reserved", "message E { string id = 1; int32 n = 2; }", "message E { string id = 1; reserved 2; }", "json FIELD_NO_DELETE_UNLESS_NAME_RESERVED t.v1.E.n"},
		{"both reserved", "message E { string id = 1; int32 n = 2; }", "message E { string id = 1; reserved 2; reserved \"n\"; }", "source FIELD_NO_DELETE t.v1.E.n"},
		{"reserved number used again", "message E { string id = 1; reserved 2; }", "message E { string id = 1; int64 x = 2; }", "wire RESERVED_MESSAGE_NO_DELETE t.v1.E.x"},
		{"reserved number of a long range used again", "message E { string id = 1; reserved 2000 to 4000; }", "message E { string id = 1; int64 x = 3500; }", "wire RESERVED_MESSAGE_NO_DELETE t.v1.E.x"},
		{"type, not on the wire", "message E { int32 n = 1; }", "message E { int64 n = 1; }", "json FIELD_WIRE_JSON_COMPATIBLE_TYPE t.v1.E.n"},
		{"type, nowhere but in code", "message E { int32 n = 1; }", "message E { uint32 n = 1; }", "source FIELD_SAME_TYPE t.v1.E.n"},
		{"type, on the wire", "message E { int32 n = 1; }", "message E { sint32 n = 1; }", "wire FIELD_WIRE_COMPATIBLE_TYPE t.v1.E.n"},
		{"string to bytes", "message E { string s = 1; }", "message E { bytes s = 1; }", "json FIELD_WIRE_JSON_COMPATIBLE_TYPE t.v1.E.s"},
		{"bytes to string", "message E { bytes s = 1; }", "message E { string s = 1; }", "wire FIELD_WIRE_COMPATIBLE_TYPE t.v1.E.s"},
		{"single to repeated", "message E { string s = 1; }", "message E { repeated string s = 1; }", "wire FIELD_WIRE_COMPATIBLE_CARDINALITY t.v1.E.s"},
		{"presence", "message E { string s = 1; }", "message E { optional string s = 1; }", "source FIELD_SAME_CARDINALITY t.v1.E.s"},
		{"renamed, JSON name kept", "message E { string s = 1; }", "message E { string z = 1 [json_name = \"s\"]; }", "source FIELD_SAME_NAME t.v1.E.s"},
		{"JSON name", "message E { string s = 1; }", "message E { string s = 1 [json_name = \"z\"]; }", "json FIELD_SAME_JSON_NAME t.v1.E.s"},
		{"oneof", "message E { oneof o { string s = 1; int32 n = 2; } }", "message E { oneof o { string s = 1; } int32 n = 2; }", "wire FIELD_SAME_ONEOF t.v1.E.n"},
		{"map value", "message E { map<string, int32> m = 1; }", "message E { map<string, string> m = 1; }", "wire FIELD_WIRE_COMPATIBLE_TYPE t.v1.E.m"},
		{"nested message", "message E { N n = 1; } message N { int32 x = 1; }", "message E { N n = 1; } message N { sint32 x = 1; }", "wire FIELD_WIRE_COMPATIBLE_TYPE t.v1.N.x"},
		{"message renamed", "message E { N n = 1; } message N { int32 x = 1; }", "message E { O n = 1; } message O { int32 x = 1; }", "source FIELD_SAME_TYPE t.v1.E.n"},
		{"recursive message", "message E { E e = 1; int32 n = 2; }", "message E { E e = 1; sint32 n = 2; }", "wire FIELD_WIRE_COMPATIBLE_TYPE t.v1.E.n"},
		{"message of a linked-in file", "message E { google.protobuf.Timestamp at = 1; }", "message E { google.protobuf.Timestamp at = 1; }", ""},
		{"unreachable message", "message E {} message N { int32 x = 1; }", "message E {} message N { string x = 1; }", ""},
		{"enum value gone", "message E { K k = 1; } enum K { A = 0; B = 1; }", "message E { K k = 1; } enum K { A = 0; }", "wire ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED t.v1.B"},
		{"enum value reserved by number", "message E { K k = 1; } enum K { A = 0; B = 1; }", "message E { K k = 1; } enum K { A = 0; reserved 1; }", "json ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED t.v1.B"},
		{"enum value renamed", "message E { K k = 1; } enum K { A = 0; B = 1; }", "message E { K k = 1; } enum K { A = 0; C = 1; }", "json ENUM_VALUE_SAME_NAME t.v1.B"},
		{"enum values swapped", "message E { K k = 1; } enum K { A = 0; B = 1; C = 2; }", "message E { K k = 1; } enum K { A = 0; C = 1; B = 2; }", "wire ENUM_VALUE_SAME_NAME t.v1.B\nwire ENUM_VALUE_SAME_NAME t.v1.C"},
		{"enum value keeps its name as an alias", "message E { K k = 1; } enum K { A = 0; B = 1; }", "message E { K k = 1; } enum K { option allow_alias = true; A = 0; C = 1; B = 1; }", ""},
		{"event message gone", "message E { string id = 1; }", "message F { string id = 1; }", "wire MESSAGE_NO_DELETE t.v1.E"},
		{"required added", "syntax = \"proto2\"; package t.v1; message E { optional int32 n = 1; }", "syntax = \"proto2\"; package t.v1; message E { optional int32 n = 1; required int32 m = 2; }", "wire MESSAGE_SAME_REQUIRED_FIELDS t.v1.E.m"},
		{"required removed", "syntax = \"proto2\"; package t.v1; message E { required int32 n = 1; }", "syntax = \"proto2\"; package t.v1; message E { reserved 1; reserved \"n\"; }", "wire MESSAGE_SAME_REQUIRED_FIELDS t.v1.E.n"},
		{"default", "syntax = \"proto2\"; package t.v1; message E { optional int32 n = 1 [default = 1]; }", "syntax = \"proto2\"; package t.v1; message E { optional int32 n = 1 [default = 2]; }", "wire FIELD_SAME_DEFAULT t.v1.E.n"},
		{"method gone", "message E {}" + rpc, "message E {} service S {}", "wire RPC_NO_DELETE t.v1.S.M"},
		{"service gone", "message E {}" + rpc, "message E {}", "wire SERVICE_NO_DELETE t.v1.S"},
		{"server streaming", "message E {}" + rpc, "message E {} service S { rpc M(E) returns (stream E); }", "wire RPC_SAME_SERVER_STREAMING t.v1.S.M"},
		{"client streaming", "message E {}" + rpc, "message E {} service S { rpc M(stream E) returns (E); }", "wire RPC_SAME_CLIENT_STREAMING t.v1.S.M"},
		{"request of another name", "message E {} message R { int32 x = 1; } service S { rpc M(R) returns (E); }", "message E {} message Q { int32 x = 1; } service S { rpc M(Q) returns (E); }", "source RPC_SAME_REQUEST_TYPE t.v1.S.M"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changes, err := Compare(contract(t, test.old), contract(t, test.now))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range changes {
				got = append(got, fmt.Sprintf("%s %s %s", c.Class, c.Rule, c.Name))
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), test.want)
			}
		})
	}
}

// TestAnotherMessageInItsPlace says that a field is missing because the method has another request, and not that it was removed.
func TestAnotherMessageInItsPlace(t *testing.T) {
	old := contract(t, "message E {} message R { int32 x = 1; } message Q {} service S { rpc M(R) returns (E); }")
	now := contract(t, "message E {} message R { int32 x = 1; } message Q {} service S { rpc M(Q) returns (E); }")
	changes, err := Compare(old, now)
	if err != nil {
		t.Fatal(err)
	}
	want := "the field was removed without reserving its number 1, since t.v1.Q is where t.v1.R was"
	if len(changes) != 2 || changes[0].Message != want {
		t.Errorf("%+v, want %q first", changes, want)
	}
}

// TestEventsAreJudgedApart proves that a change both an event and an RPC reach is told for each, and that the
// way an event is delivered belongs to its contract.
func TestEventsAreJudgedApart(t *testing.T) {
	old := contract(t, "message E { N n = 1; } message N { int32 x = 1; } service S { rpc M(N) returns (E); }")
	now := contract(t, "message E { N n = 1; } message N { string x = 1; } service S { rpc M(N) returns (E); }")
	now.Events = []Event{{Message: "t.v1.E", Topic: "elsewhere", Key: "id"}}
	changes, err := Compare(old, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.Event+" "+c.Rule)
	}
	want := "t.v1.E EVENT_SAME_TOPIC|t.v1.E FIELD_WIRE_COMPATIBLE_TYPE| FIELD_WIRE_COMPATIBLE_TYPE"
	if strings.Join(got, "|") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "|"), want)
	}
	now.Events = nil
	changes, err = Compare(old, now)
	if err != nil || len(changes) == 0 || changes[0].Rule != "EVENT_NO_DELETE" {
		t.Errorf("an event no longer published: %v, %v", changes, err)
	}
}
