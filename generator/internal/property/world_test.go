package property

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// world makes random services and changes of them.
type world struct {
	*rand.Rand
	n int // names given
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// service is a manifest with one proto.
type service struct {
	pkg       string // Go package of the messages
	messages  []*message
	services  []*server
	publishes []string // messages
	consumes  []string // messages
	comment   string
}

type message struct {
	name   string
	fields []string
}

type server struct {
	name    string
	methods []*method
}

type method struct {
	name      string
	in, out   *message
	inStream  bool
	outStream bool
}

func (w *world) name(stem string) string {
	w.n++
	return fmt.Sprintf("%s%d", stem, w.n)
}

func (w *world) service() *service {
	s := &service{pkg: "a/v1"}
	for range 2 + w.IntN(3) {
		s.messages = append(s.messages, w.message())
	}
	for range 1 + w.IntN(2) {
		s.services = append(s.services, w.server(s))
	}
	if w.IntN(2) == 0 {
		s.add(w, &s.publishes)
	}
	if w.IntN(2) == 0 {
		s.add(w, &s.consumes)
	}
	return s
}

func (w *world) server(s *service) *server {
	added := &server{name: w.name("S") + "Service"}
	for range 1 + w.IntN(3) {
		added.methods = append(added.methods, w.method(s))
	}
	return added
}

func (w *world) message() *message {
	m := &message{name: w.name("Msg"), fields: []string{"string id"}}
	for range w.IntN(4) {
		m.fields = append(m.fields, w.field())
	}
	return m
}

func (w *world) field() string {
	return pick(w.Rand, "string", "int32", "repeated string", "bool", "bytes", "map<string, int64>") + " " + w.name("f")
}

func (w *world) method(s *service) *method {
	m := &method{name: w.name(pick(w.Rand, "Place", "Get", "List", "Do")), in: pick(w.Rand, s.messages...), out: pick(w.Rand, s.messages...)}
	w.stream(m)
	return m
}

func (w *world) stream(m *method) {
	m.inStream, m.outStream = w.IntN(4) == 0, w.IntN(4) == 0
}

// add puts a message into list, the published or the consumed ones.
func (s *service) add(w *world, list *[]string) {
	m := pick(w.Rand, s.messages...)
	if !slices.Contains(*list, m.name) {
		*list = append(*list, m.name)
	}
}

// change is what happens to a proto in a week: one thing or two. It says what.
func (s *service) change(w *world) []string {
	var story []string
	for range 1 + w.IntN(2) {
		story = append(story, "proto: "+s.changeOne(w))
	}
	return story
}

func (s *service) changeOne(w *world) string {
	server := pick(w.Rand, s.services...)
	switch w.IntN(12) {
	case 0, 1:
		m := w.method(s)
		at := w.IntN(len(server.methods) + 1)
		server.methods = slices.Insert(server.methods, at, m)
		return "method " + m.name + " is new"
	case 2:
		if len(server.methods) < 2 {
			return "nothing"
		}
		at := w.IntN(len(server.methods))
		name := server.methods[at].name
		server.methods = slices.Delete(server.methods, at, at+1)
		return "method " + name + " is gone"
	case 3, 4:
		m := pick(w.Rand, server.methods...)
		m.in = pick(w.Rand, s.messages...)
		return "request of " + m.name + " is " + m.in.name
	case 5:
		m := pick(w.Rand, server.methods...)
		m.out = pick(w.Rand, s.messages...)
		return "response of " + m.name + " is " + m.out.name
	case 6:
		m := pick(w.Rand, server.methods...)
		w.stream(m)
		return fmt.Sprintf("streams of %s are %v, %v", m.name, m.inStream, m.outStream)
	case 7:
		m := pick(w.Rand, s.messages...)
		m.fields = append(m.fields, w.field())
		return "a field of " + m.name + " is new"
	case 8:
		m := w.message()
		s.messages = append(s.messages, m)
		pick(w.Rand, server.methods...).in = m
		return "message " + m.name + " is new"
	case 9:
		w.Shuffle(len(server.methods), func(i, j int) {
			server.methods[i], server.methods[j] = server.methods[j], server.methods[i]
		})
		s.comment = w.name("comment ")
		return "order and comments"
	case 10:
		s.pkg = fmt.Sprintf("%s/v%d", pick(w.Rand, "a", "b"), 1+w.IntN(3))
		return "go_package is " + s.pkg
	default:
		switch w.IntN(5) {
		case 0:
			added := w.server(s)
			s.services = append(s.services, added)
			return "service " + added.name + " is new"
		case 1:
			s.add(w, &s.publishes)
			return fmt.Sprintf("published are %v", s.publishes)
		case 2:
			s.add(w, &s.consumes)
			return fmt.Sprintf("consumed are %v", s.consumes)
		case 3:
			s.consumes = nil
			return "nothing is consumed"
		default:
			s.publishes = nil
			return "nothing is published"
		}
	}
}

// write writes the manifest and the proto.
func (s *service) write(t *testing.T, dir string) {
	t.Helper()
	var y, p strings.Builder
	y.WriteString("version: 1\nname: orders\nmodule: example.com/orders\nproto:\n  files: [a.proto]\ndatabase: sqlite\nbroker: memory\n")
	if len(s.publishes) > 0 {
		y.WriteString("publishes:\n")
	}
	for _, name := range s.publishes {
		fmt.Fprintf(&y, "  - message: a.v1.%s\n    topic: t\n    key: id\n", name)
	}
	if len(s.consumes) > 0 {
		y.WriteString("consumes:\n")
	}
	for _, name := range s.consumes {
		fmt.Fprintf(&y, "  - message: a.v1.%s\n    topic: t\n", name)
	}
	base := strings.ReplaceAll(s.pkg, "/", "")
	fmt.Fprintf(&p, "syntax = \"proto3\";\npackage a.v1;\noption go_package = \"example.com/orders/gen/%s;%s\";\n", s.pkg, base)
	for _, m := range s.messages {
		fmt.Fprintf(&p, "message %s {\n", m.name)
		for i, f := range m.fields {
			fmt.Fprintf(&p, "  %s = %d;\n", f, i+1)
		}
		p.WriteString("}\n")
	}
	for _, server := range s.services {
		fmt.Fprintf(&p, "// %s %s\nservice %s {\n", server.name, s.comment, server.name)
		for _, m := range server.methods {
			in, out := m.in.name, m.out.name
			if m.inStream {
				in = "stream " + in
			}
			if m.outStream {
				out = "stream " + out
			}
			fmt.Fprintf(&p, "  rpc %s(%s) returns (%s);\n", m.name, in, out)
		}
		p.WriteString("}\n")
	}
	for name, text := range map[string]string{"svcgen.yaml": y.String(), "proto/a.proto": p.String()} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func randFor(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
