package manifest

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/internal/casetest"
)

func TestRefused(t *testing.T) {
	casetest.Run(t, "refused", func(t *testing.T) map[string]string {
		_, err := loadCase(t)
		if err == nil {
			return nil
		}
		return map[string]string{"errors": printed(t, err)}
	})
}

func TestAccepted(t *testing.T) {
	casetest.Run(t, "accepted", func(t *testing.T) map[string]string {
		m, err := loadCase(t)
		if err != nil {
			t.Fatal(printed(t, err))
		}
		written := Write(m)
		again, err := Load("svcgen.yaml", written)
		if err != nil {
			t.Fatalf("what Write wrote is refused: %s\n%s", printed(t, err), written)
		}
		if !same(m, again) {
			t.Errorf("written and read again, the manifest is\n%+v\nwant\n%+v", again, m)
		}
		return map[string]string{"svcgen.yaml": string(written)}
	})
}

func loadCase(t *testing.T) (*Manifest, error) {
	t.Helper()
	src, err := os.ReadFile("svcgen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Load("svcgen.yaml", src)
}

// same compares what two manifests say, wherever it stands in them.
func same(a, b *Manifest) bool {
	x, y := *a, *b
	x.Source, x.pos, y.Source, y.pos = nil, nil, nil, nil
	return reflect.DeepEqual(x, y)
}

func printed(t *testing.T, err error) string {
	t.Helper()
	var b strings.Builder
	if err := (diag.Printer{}).Print(&b, err); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDocs keeps what is written from the table in step with it. With -update it writes the files.
func TestDocs(t *testing.T) {
	schema, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	casetest.File(t, "../../docs/manifest.md", Markdown())
	casetest.File(t, "../../docs/svcgen.schema.json", string(schema))
}

// TestHostile has inputs that no text file shows well.
func TestHostile(t *testing.T) {
	valid := "name: a\nmodule: b.c/d\nproto: {files: [x.proto]}\n"
	for name, tt := range map[string]struct {
		src  string
		want string // first line of the error; empty: accepted
	}{
		"byte order mark":      {"\ufeff" + valid, ""},
		"CRLF":                 {strings.ReplaceAll(valid, "\n", "\r\n"), ""},
		"no end of line":       {strings.TrimSuffix(valid, "\n"), ""},
		"mark and CRLF":        {"\ufeffnmae: a\r\n" + strings.ReplaceAll(valid, "\n", "\r\n"), `f:1:1: unknown key "nmae"`},
		"not UTF-8":            {"name: a\nmodule: \xff\n", "f:2:9: this byte is not UTF-8 text"},
		"NUL":                  {"name: a\x00\n", "f:1:8: this byte is not UTF-8 text"},
		"escape sequence":      {"name: \"a\\e[31m\"\n" + valid[8:], "f:1:7: name must be a DNS label: at most 63 lower-case letters, digits and hyphens, starting with a letter"},
		"escape in a key":      {"\"x\\e[31m\": 1\n" + valid, `f:1:1: unknown key "x\x1b[31m"`},
		"too large":            {valid + strings.Repeat("#", MaxSize), "f: manifest is larger than 256 KiB"},
		"tag bomb":             {"name: !!binary YQ==\n" + valid[8:], "f:1:7: yaml tags are not supported here"},
		"alias bomb":           {"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n" + valid, `f:1:1: unknown key "a"`},
		"deep nesting":         {"proto: " + strings.Repeat("[", 20000), ""},
		"deep block nesting":   {strings.Repeat("- ", 20000), ""},
		"very many keys":       {strings.Repeat("a: 1\n", 5000), `f:1:1: module is missing`},
		"number beyond limits": {"version: 1e400\n" + valid, `f:1:10: version is 1, not "1e400"`},
		"octal":                {"version: 01\n" + valid, `f:1:10: version is 1, not "01"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load("f", []byte(tt.src))
			if strings.HasPrefix(name, "deep") {
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			got := ""
			if err != nil {
				got, _, _ = strings.Cut(printed(t, err), "\n")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestEveryKeyIsBound fails when a key of the table is decoded and then dropped.
func TestEveryKeyIsBound(t *testing.T) {
	var full []string
	for _, k := range table() {
		full = append(full, k.full("")...)
	}
	m, err := Load("f", []byte(strings.Join(full, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := Manifest{
		Version: 1, Name: "orders", Module: "github.com/acme/orders",
		Proto:    Proto{Files: []string{"acme/orders/v1/orders.proto"}, Imports: []string{"proto"}},
		Database: "postgres", Broker: "kafka",
		Publishes: []Publish{{"acme.orders.v1.OrderPlaced", "orders", "order_id", []string{"PlaceOrder"}}},
		Consumes:  []Consume{{"acme.payments.v1.PaymentCaptured", "payments"}},
		File:      "f",
	}
	if !same(m, &want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
}

// TestPos checks that every value can be pointed to.
func TestPos(t *testing.T) {
	src := "name: a\nmodule: b.c/d\nproto:\n  files: [x.proto, y.proto]\npublishes:\n- message: p.M\n  topic: t\n  on:\n  - Do\n"
	m, err := Load("f", []byte(src))
	if err != nil {
		t.Fatal(printed(t, err))
	}
	for path, want := range map[string]string{
		"name":                 "f:1:7",
		"proto.files":          "f:4:10",
		"proto.files[1]":       "f:4:20",
		"publishes[0]":         "f:6:3",
		"publishes[0].message": "f:6:12",
		"publishes[0].on[0]":   "f:9:5",
		"publishes[0].key":     "f:6:3", // not there: the mapping it is missing from
		"proto.imports[0]":     "f:4:3",
		"database":             "f:1:1",
	} {
		if got := m.Pos("%s", path).String(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
}

func TestWithImports(t *testing.T) {
	head := "name: a\nmodule: b.c/d\n"
	for name, tt := range map[string]struct{ src, want string }{
		"flow":         {"proto:\n  files: [x.proto]\n  imports: [a, 'b]', \"c\"] # c\ndatabase: mysql\n", "proto:\n  files: [x.proto]\n  imports: [proto, x] # c\ndatabase: mysql\n"},
		"empty":        {"proto: {imports: [], files: [x.proto]}\n", "proto: {imports: [proto, x], files: [x.proto]}\n"},
		"block":        {"proto:\n  imports:\n  - a # a\n  - b # b\n  files: [x.proto]\n", "proto:\n  imports:\n  - proto\n  - x # b\n  files: [x.proto]\n"},
		"absent":       {"proto:\n  # which files\n  files: [x.proto]\n", "proto:\n  # which files\n  imports: [proto, x]\n  files: [x.proto]\n"},
		"absent, flow": {"proto: {files: [x.proto]}\n", "proto: {imports: [proto, x], files: [x.proto]}\n"},
		"CRLF":         {"proto:\r\n  files: [x.proto]\r\n", "proto:\r\n  imports: [proto, x]\r\n  files: [x.proto]\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Load("f", []byte(head+tt.src))
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.WithImports([]string{"proto", "x"})
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != head+tt.want {
				t.Errorf("got %q, want %q", got, head+tt.want)
			}
		})
	}
}

// TestSchemaAgrees runs the decoder and the JSON Schema over one corpus. They may differ only where JSON cannot
// see a difference: in how YAML was written.
func TestSchemaAgrees(t *testing.T) {
	raw, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("svcgen.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("svcgen.json")
	if err != nil {
		t.Fatal(err)
	}
	base := map[string]string{"name": "shop", "module": "example.com/shop", "proto": "{files: [x.proto]}"}
	changes := []struct{ key, value string }{
		{"", ""}, {"name", ""}, {"module", ""}, {"proto", ""}, {"nmae", "x"},
		{"version", "1"}, {"version", "2"}, {"version", "'1'"}, {"version", "1.5"}, {"version", "[1]"}, {"version", "null"},
		{"name", "Shop"}, {"name", "9"}, {"name", "a-b"}, {"name", "a-"}, {"name", "''"}, {"name", "true"}, {"name", "{a: b}"},
		{"name", strings.Repeat("a", 63)}, {"name", strings.Repeat("a", 64)}, {"name", "ü"},
		{"module", "1"}, {"module", "''"}, {"module", "[a]"},
		{"proto", "{}"}, {"proto", "[]"}, {"proto", "x"}, {"proto", "{files: []}"}, {"proto", "{files: x.proto}"},
		{"proto", "{files: [x.proto, x.proto]}"}, {"proto", "{files: [../x.proto]}"}, {"proto", "{files: [/x.proto]}"},
		{"proto", "{files: [a//x.proto]}"}, {"proto", "{files: [./x.proto]}"}, {"proto", "{files: [.hidden/x.proto]}"},
		{"proto", "{files: ['a\\x.proto']}"}, {"proto", "{files: [x.txt]}"}, {"proto", "{files: [.proto]}"}, {"proto", "{files: [a b.proto]}"},
		{"proto", "{files: [x.proto], imports: [..]}"}, {"proto", "{files: [x.proto], imports: [/abs]}"},
		{"proto", "{files: [x.proto], imports: ['C:/x']}"}, {"proto", "{files: [x.proto], imports: []}"},
		{"proto", "{files: [x.proto], imports: [a, a]}"}, {"proto", "{files: [x.proto], extra: 1}"}, {"proto", "{files: [1]}"},
		{"database", "postgres"}, {"database", "oracle"}, {"database", "1"}, {"database", "null"}, {"broker", "kafka"}, {"broker", "Kafka"},
		{"publishes", "[]"}, {"publishes", "{}"}, {"publishes", "[x]"}, {"publishes", "[{message: a.B, topic: t}]"},
		{"publishes", "[{message: a.B}]"}, {"publishes", "[{topic: t}]"}, {"publishes", "[{message: 'a..B', topic: t}]"},
		{"publishes", "[{message: a.B, topic: 'a b'}]"}, {"publishes", "[{message: a.B, topic: " + strings.Repeat("t", 250) + "}]"},
		{"publishes", "[{message: a.B, topic: ..}]"}, {"publishes", "[{message: a.B, topic: t, key: a.b}]"},
		{"publishes", "[{message: a.B, topic: t, key: 'a[0]'}]"}, {"publishes", "[{message: a.B, topic: t, on: Do}]"},
		{"publishes", "[{message: a.B, topic: t, on: [Do, Do]}]"}, {"publishes", "[{message: a.B, topic: t, on: []}]"},
		{"consumes", "[{message: a.B, topic: t}]"}, {"consumes", "[{message: a.B, topic: t, key: k}]"}, {"consumes", "null"},
	}
	for _, change := range changes {
		values := maps.Clone(base)
		if values[change.key] = change.value; change.value == "" {
			delete(values, change.key)
		}
		var src strings.Builder
		for k, v := range values {
			src.WriteString(k + ": " + v + "\n")
		}
		var plain any
		if err := yaml.Load([]byte(src.String()), &plain); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		_, decodeErr := Load("f", []byte(src.String()))
		if schemaErr := schema.Validate(value); (schemaErr == nil) != (decodeErr == nil) {
			t.Errorf("%s: %s\nthe schema says %v\nthe decoder says %v", change.key, change.value, schemaErr, decodeErr)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"name: a\nmodule: b.c/d\nproto: {files: [x.proto]}\n",
		"name: &a b\nmodule: *a\n---\n",
		"publishes:\n  - message: a.B\n    topic: t\n    key: k\n    on: [Do]\n",
		"\ufeffproto:\r\n  files:\r\n    - x.proto\r\n",
		"? {a: b}\n: c\n", "a: \"\\", "- - -\n", "{", "!!str : x",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := Load("f", src)
		if err != nil {
			return
		}
		again, err := Load("f", Write(m))
		if err != nil {
			t.Fatalf("what Write wrote is refused: %v\n%s", err, Write(m))
		}
		if !same(m, again) {
			t.Fatalf("written and read again, the manifest is %+v, want %+v", again, m)
		}
		if edited, err := m.WithImports([]string{"a", "b c"}); err == nil && bytes.Equal(edited, src) {
			t.Fatal("WithImports changed nothing")
		}
	})
}
