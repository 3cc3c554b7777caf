package drift

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
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
	const plain = "message Plain { string id = 1; } service Plains { rpc Get(Plain) returns (Plain); }"
	const like = "syntax = \"proto3\"; package google.protobuf; message Duration { int64 seconds = 1; } message Both { Duration d = 1; Leaf leaf = 2; } service Likes { rpc Get(Both) returns (Duration); } "
	files := map[string]string{
		"like.proto":   like + "message Leaf { int64 id = 1; }",
		"plain.proto":  "edition = \"2023\"; package t.v1; " + plain,
		"far.proto":    "message Far { int64 id = 1; }",
		"over.proto":   "import public \"far.proto\";",
		"near.proto":   "import \"over.proto\"; message Near { Far far = 1; } service Nears { rpc Get(Near) returns (Near); }",
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
		"what is imported by way of another":  {change: map[string]string{"far.proto": "message Far { string id = 1; }"}, left: "far.proto near.proto over.proto", want: "FIELD_WIRE_COMPATIBLE_TYPE"},
		"a namesake of what is linked in":     {change: map[string]string{"like.proto": like + "message Leaf {}"}, left: "like.proto", want: "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"},
		"what an option of a file changes":    {change: map[string]string{"plain.proto": "edition = \"2023\"; package t.v1; option features.field_presence = IMPLICIT; " + plain}, left: "plain.proto", want: "FIELD_SAME_CARDINALITY"},
		"a new import":                        {change: map[string]string{"orders.proto": "import \"order.proto\"; import \"alone.proto\"; service Orders { rpc Place(Order) returns (Alone); }"}, left: "alone.proto money.proto order.proto orders.proto", want: "FIELD_SAME_CARDINALITY FIELD_SAME_JSON_NAME FIELD_SAME_NAME FIELD_WIRE_COMPATIBLE_TYPE RPC_SAME_RESPONSE_TYPE"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(files)
			maps.Copy(changed, tt.change)
			maps.DeleteFunc(changed, func(_, text string) bool { return text == "" })
			before, after := compiled(t, files), compiled(t, changed)
			whole, kept := compared(t, before, after)
			var rules, left []string
			for _, c := range whole {
				rules = append(rules, c.Rule)
			}
			for _, f := range kept.File {
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

// Nor does it in random protos, of which some declarations are made anew.
func TestDifferingRandom(t *testing.T) {
	found := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		protos := randomProtos(r)
		before := compiled(t, textsOf(protos))
		for _, p := range protos {
			p.change(r)
		}
		after := compiled(t, textsOf(protos))
		before.Events, after.Events = nil, nil
		for i := range randomMessages {
			e := Event{Message: fmt.Sprintf("t.v%d.M%d", i%len(protos), i)}
			before.Events, after.Events = append(before.Events, e), append(after.Events, e)
		}
		whole, _ := compared(t, before, after)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		found += len(whole)
	}
	if found < 1000 {
		t.Errorf("only %d changes were there to be found", found)
	}
}

// compared are the changes that are found in all of two contracts, which must be those in what Differing leaves of them, and what it
// leaves after the change.
func compared(t *testing.T, before, after Contract) (whole []Change, kept *descriptorpb.FileDescriptorSet) {
	t.Helper()
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
	return whole, after.Files
}

// randomMessages is how many messages randomProtos have, and enums.
const randomMessages = 12

// randomProto is one of several. Each imports those before it, and message i is in proto i modulo their number.
type randomProto struct {
	number, of int
	syntax     string
	options    string
	declares   []string
}

func randomProtos(r *rand.Rand) []*randomProto {
	protos := make([]*randomProto, 1+r.IntN(3))
	for n := range protos {
		p := &randomProto{number: n, of: len(protos), syntax: []string{"proto2", "proto3"}[r.IntN(2)]}
		for i := n; i < randomMessages; i += p.of {
			p.declares = append(p.declares, p.enum(r, i), p.message(r, i))
		}
		p.declares = append(p.declares, p.service(r))
		protos[n] = p
	}
	return protos
}

// change makes some of what it declares anew.
func (p *randomProto) change(r *rand.Rand) {
	for i := range p.declares {
		at := p.number + i/2*p.of
		switch {
		case r.IntN(6) > 0:
		case i == len(p.declares)-1:
			p.declares[i] = p.service(r)
		case i%2 == 0:
			p.declares[i] = p.enum(r, at)
		default:
			p.declares[i] = p.message(r, at)
		}
	}
	if r.IntN(8) == 0 {
		p.options = "option deprecated = true;"
	}
}

func (p *randomProto) enum(r *rand.Rand, i int) string {
	return fmt.Sprintf("enum E%[1]d { E%[1]d_0 = 0; E%[1]d_%[2]d = %[2]d; }", i, 1+r.IntN(2))
}

// reach is a message of this proto or one that it imports.
func (p *randomProto) reach(r *rand.Rand) int {
	for {
		if i := r.IntN(randomMessages); i%p.of <= p.number {
			return i
		}
	}
}

func (p *randomProto) message(r *rand.Rand, i int) string {
	label := ""
	if p.syntax == "proto2" {
		label = "optional "
	}
	var fields strings.Builder
	for number := range r.IntN(4) {
		other := p.reach(r)
		kind := []string{"int32", "string", "In", fmt.Sprintf("t.v%d.M%d", other%p.of, other), fmt.Sprintf("t.v%d.M%d.In", other%p.of, other), fmt.Sprintf("E%d", i)}[r.IntN(6)]
		with := label
		switch r.IntN(8) {
		case 0, 1:
			with = "repeated "
		case 2:
			with, kind = "", "map<string, "+kind+">"
		}
		fmt.Fprintf(&fields, "%s%s f%d = %d; ", with, kind, number, number+1)
	}
	return fmt.Sprintf("message M%[1]d { message In { %[2]sM%[1]d outer = %[3]d; } %[4]s}", i, label, 1+r.IntN(2), &fields)
}

func (p *randomProto) service(r *rand.Rand) string {
	in, out := p.reach(r), p.reach(r)
	return fmt.Sprintf("service S%d { rpc Do(t.v%d.M%d) returns (t.v%d.M%d); }", p.number, in%p.of, in, out%p.of, out)
}

func textsOf(protos []*randomProto) map[string]string {
	texts := map[string]string{}
	for _, p := range protos {
		var imports strings.Builder
		for n := range p.number {
			fmt.Fprintf(&imports, "import %q; ", fmt.Sprintf("%d.proto", n))
		}
		texts[fmt.Sprintf("%d.proto", p.number)] = fmt.Sprintf("syntax = %q; package t.v%d; %s%s %s", p.syntax, p.number, &imports, p.options, strings.Join(p.declares, "\n"))
	}
	return texts
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
		if !strings.HasPrefix(text, "syntax") && !strings.HasPrefix(text, "edition") {
			text = "syntax = \"proto3\"; package t.v1; " + text
		}
		texts[name] = text
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
