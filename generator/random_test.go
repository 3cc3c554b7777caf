package generator_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/diag"
)

var (
	seeds = flag.Int("seeds", 40, "how many services TestRandomServices makes up")
	seed  = flag.Uint64("seed", 1, "the first of them")
)

// TestRandomServices makes up services of names that mean something to Go, to protoc-gen-go or to emitted code, and proves that
// each is refused with a place, or compiles with its tests. A seed that fails is run alone by -seed N -seeds 1.
func TestRandomServices(t *testing.T) {
	c, made := newCompiler(), 0
	for n := *seed; n < *seed+uint64(*seeds); n++ {
		dir := t.TempDir()
		for name, content := range spec(rand.New(rand.NewPCG(n, 0))) {
			write(t, filepath.Join(dir, filepath.FromSlash(name)), content)
		}
		out, err := generator.Generate(t.Context(), generator.Input{Manifest: filepath.Join(dir, "svcgen.yaml"), Version: "devel"})
		var refused diag.List
		switch {
		case errors.As(err, &refused):
			for _, d := range refused {
				if d.Pos.Line == 0 {
					t.Errorf("seed %d: refused at no place: %s", n, d)
				}
			}
			continue
		case err != nil:
			t.Errorf("seed %d: %v", n, err)
			continue
		}
		made++
		for _, err := range c.check(t, out.Files, out.Service.Module) {
			t.Errorf("seed %d: %v", n, err)
		}
	}
	t.Logf("%d of %d are accepted", made, *seeds)
	if *seeds >= 40 && made < *seeds/4 {
		t.Errorf("only %d of %d are accepted: this proves little", made, *seeds)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// words are names of declarations, fields and methods; places those of folders, files and packages.
var (
	words = strings.Fields(`Order order Order_ order_id OrderID id ID type Type range func select default map string error Error nil any
		init Init main Main New Deps Consumers Service Server Client Store Tx Events Event Context Config Option Message Topic Publisher
		Subscriber Broker Outbox Test TestMain TestOrder Windows LinuxArm64 DoTest String Reset Descriptor ProtoMessage ProtoReflect
		GetId get_id has_id clear_id Id_ x_y _x X_Y a__b A1 a1b Register Handlers OnOrder Placed PlaceOrder OrderPlaced Place Go Close
		Import Range Delete Copy Send Recv Stream stream ctx err req resp db events log t s m tt want got in out opts srv Empty Timestamp Any`)
	places = strings.Fields(`a b v1 v2 orders type func internal testdata main test windows amd64 context fmt store events app rpc
		proto status codes errors x_test x_windows _hidden Upper with_under pb shop identity settings message group report money`)
	scalars = strings.Fields("string bytes bool int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 float double")
	wkts    = strings.Fields("google.protobuf.Empty google.protobuf.Timestamp google.protobuf.Any google.protobuf.StringValue google.protobuf.Struct")
)

// spec is the manifest and the protos of a service, by file name.
func spec(r *rand.Rand) map[string]string {
	files := map[string]string{}
	var packages, imports, listed []string
	all := protoFile{messages: wkts}
	for i := range 1 + r.IntN(4) {
		p := protoFile{r: r, pkg: packageName(r, packages), used: map[string]bool{}, messages: all.messages}
		name := fmt.Sprintf("%s/%s%d.proto", pick(r, places), pick(r, words), i)
		files[name] = p.text(imports)
		packages, imports = append(packages, p.pkg), append(imports, name)
		all.messages, all.keyed = p.messages, append(all.keyed, p.keyed...)
		if i == 0 || r.IntN(3) > 0 {
			listed, all.unary = append(listed, name), append(all.unary, p.unary...)
		}
	}
	var publishes, consumes []string
	events := map[string]bool{}
	for range min(r.IntN(5), len(all.keyed)) {
		message, key, _ := strings.Cut(pick(r, all.keyed), " ")
		if events[message] {
			continue
		}
		events[message] = true
		on := ""
		if len(all.unary) > 0 {
			on = pick(r, all.unary)
		}
		publishes = append(publishes, fmt.Sprintf("{message: %s, topic: t, key: %s, on: [%s]}", message, key, on))
	}
	for i := range min(r.IntN(4), len(all.messages)) {
		consumes = append(consumes, fmt.Sprintf("{message: %s, topic: t%d}", all.messages[len(all.messages)-1-i], i))
	}
	files["svcgen.yaml"] = fmt.Sprintf("name: %s\nmodule: example.com/%s\nproto: {files: ['%s'], imports: [.]}\npublishes: [%s]\nconsumes: [%s]\n",
		strings.Trim(strings.ToLower(strings.ReplaceAll(pick(r, append(places, words...)), "_", "-")), "-0123456789"),
		pick(r, []string{"shop", "gen", "x/v2", "internal/x"}), strings.Join(listed, "', '"),
		strings.Join(publishes, ", "), strings.Join(consumes, ", "))
	return files
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// packageName is a new proto package, or one there is.
func packageName(r *rand.Rand, have []string) string {
	if len(have) > 0 && r.IntN(3) == 0 {
		return pick(r, have)
	}
	return pick(r, places) + "." + pick(r, places)
}

// protoFile makes up one file.
type protoFile struct {
	r        *rand.Rand
	pkg      string
	used     map[string]bool // names of the package
	messages []string        // full names to use as types
	keyed    []string        // "message key"
	unary    []string
}

func (p *protoFile) text(imports []string) string {
	var b strings.Builder
	syntax := pick(p.r, []string{`syntax = "proto3";`, `syntax = "proto3";`, `syntax = "proto2";`, `edition = "2023";`})
	label := ""
	if strings.Contains(syntax, "proto2") {
		label = "optional "
	}
	fmt.Fprintf(&b, "%s\npackage %s;\n", syntax, p.pkg)
	if p.r.IntN(3) == 0 {
		fmt.Fprintf(&b, "option go_package = \"example.com/shop/gen/%s/%s;%s\";\n", pick(p.r, places), pick(p.r, places), pick(p.r, append(places, words...)))
	}
	for _, name := range imports {
		fmt.Fprintf(&b, "import %q;\n", name)
	}
	for _, name := range []string{"empty", "timestamp", "any", "wrappers", "struct"} {
		fmt.Fprintf(&b, "import \"google/protobuf/%s.proto\";\n", name)
	}
	for range 1 + p.r.IntN(5) {
		if name := p.name(); name != "" {
			p.messages = append(p.messages, p.pkg+"."+name)
			p.message(&b, name, p.pkg+"."+name, label, 0)
		}
	}
	for range p.r.IntN(3) {
		if name := p.name(); name != "" {
			p.service(&b, name)
		}
	}
	return b.String()
}

// name is a word that is not used in the file yet. Case does not tell two apart, since Go's names may be the same.
func (p *protoFile) name() string {
	name := pick(p.r, words)
	key := strings.ToLower(strings.ReplaceAll(name, "_", ""))
	if p.used[key] {
		return ""
	}
	p.used[key] = true
	return name
}

func (p *protoFile) message(b *strings.Builder, name, full, label string, depth int) {
	fmt.Fprintf(b, "message %s {\n", name)
	inner := protoFile{r: p.r, used: map[string]bool{}, messages: p.messages}
	for i := range p.r.IntN(7) {
		field := strings.ToLower(inner.name())
		if field == "" {
			continue
		}
		switch p.r.IntN(6) {
		case 0:
			fmt.Fprintf(b, "  repeated .%s %s = %d;\n", pick(p.r, p.messages), field, i+1)
		case 1:
			fmt.Fprintf(b, "  map<string, %s> %s = %d;\n", pick(p.r, scalars), field, i+1)
		case 2:
			fmt.Fprintf(b, "  oneof %s_one { %s %s = %d; }\n", field, pick(p.r, scalars), field, i+1)
		case 3:
			fmt.Fprintf(b, "  %s.%s %s = %d;\n", label, pick(p.r, p.messages), field, i+1)
		default:
			kind := pick(p.r, scalars)
			fmt.Fprintf(b, "  %s%s %s = %d;\n", label, kind, field, i+1)
			if kind != "float" && kind != "double" {
				p.keyed = append(p.keyed, full+" "+field)
			}
		}
	}
	if nested := inner.name(); nested != "" && depth < 2 && p.r.IntN(3) == 0 {
		p.messages = append(p.messages, full+"."+nested)
		p.message(b, nested, full+"."+nested, label, depth+1)
	}
	b.WriteString("}\n")
}

func (p *protoFile) service(b *strings.Builder, name string) {
	fmt.Fprintf(b, "service %s {\n", name)
	inner := protoFile{r: p.r, used: map[string]bool{}}
	for range p.r.IntN(6) {
		method := inner.name()
		if method == "" {
			continue
		}
		in, out := pick(p.r, []string{"", "", "stream "}), pick(p.r, []string{"", "", "stream "})
		if in+out == "" {
			p.unary = append(p.unary, p.pkg+"."+name+"."+method)
		}
		fmt.Fprintf(b, "  rpc %s(%s.%s) returns (%s.%s);\n", method, in, pick(p.r, p.messages), out, pick(p.r, p.messages))
	}
	b.WriteString("}\n")
}
