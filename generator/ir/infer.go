package ir

import (
	"errors"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/naming"
	"github.com/svcgen/svcgen/generator/schema"
)

// Choices are what a user said about a service that has no manifest yet. Empty ones are inferred.
type Choices struct {
	Name     string
	Module   string
	Database string
	Broker   string
}

// Infer makes the manifest of a service from its protos: the name from the proto package, a module below
// example.com, sqlite and the memory broker, and the events whose names say which method they belong to. It is
// written out with comments and read back, so that it is exactly what the emitted tree holds.
func Infer(s *schema.Schema, c Choices) (*manifest.Manifest, error) {
	if err := served(s); err != nil {
		return nil, err
	}
	m := &manifest.Manifest{Version: 1, Name: c.Name, Module: c.Module, Database: c.Database, Broker: c.Broker}
	for _, f := range s.Files {
		if !f.Listed {
			continue
		}
		m.Proto.Files = append(m.Proto.Files, f.Path)
		if m.Name == "" {
			m.Name = nameOf(f)
		}
		m.Publishes = append(m.Publishes, inferEvents(f.Desc(), m.Name)...)
	}
	if m.Module == "" {
		m.Module = "example.com/" + m.Name
	}
	if m.Database == "" {
		m.Database = "sqlite"
	}
	if m.Broker == "" {
		m.Broker = "memory"
	}
	loaded, err := manifest.Load(manifest.FileName, manifest.Write(m))
	if list, ok := errors.AsType[diag.List](err); ok {
		// The user has not written this file, so its lines would say nothing.
		for i := range list {
			list[i] = diag.Diagnostic{Message: list[i].Message, Hint: list[i].Hint}
		}
		return nil, list
	}
	if err != nil {
		return nil, err
	}
	loaded.Inferred = true
	return loaded, nil
}

// served checks that there is a service to make.
func served(s *schema.Schema) error {
	var list diag.List
	for _, f := range s.Files {
		if f.Listed && f.Names.Services().Len() > 0 {
			return nil
		}
		if f.Listed {
			list.Add(diag.Pos{File: f.Disk, Line: 1, Col: 1}, "name the proto that declares your service", "no service in %s", f.Path)
		}
	}
	return s.Sources().Finish(list)
}

// nameOf is a service name for a proto: orders for acme.orders.v1; without a package, the name of the file.
func nameOf(f *schema.File) string {
	elems := strings.Split(f.Proto.GetPackage(), ".")
	if version := regexp.MustCompile(`^v\d+\w*$`); len(elems) > 1 && version.MatchString(elems[len(elems)-1]) {
		elems = elems[:len(elems)-1]
	}
	name := elems[len(elems)-1]
	if name == "" {
		name = naming.Stem(f.Path)
	}
	// etcdserverpb is the convention for the messages of etcdserver.
	if bare := strings.TrimSuffix(name, "pb"); bare != "" {
		name = bare
	}
	name = strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "-"), "-0123456789")
	if len(name) > 50 {
		name = strings.TrimRight(name[:50], "-")
	}
	switch {
	case name == "":
		return "service"
	case naming.Device(name), name == "internal", name == "vendor", name == "testdata":
		return name + "-service"
	}
	return name
}

// inferEvents are the messages of a file that are called after a unary method, OrderPlaced after PlaceOrder, and
// are not themselves a request or response. Nothing less certain is taken for an event.
func inferEvents(fd protoreflect.FileDescriptor, topic string) []manifest.Publish {
	inOut := make(map[protoreflect.FullName]bool)
	var methods []protoreflect.MethodDescriptor
	for i := range fd.Services().Len() {
		s := fd.Services().Get(i)
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			inOut[m.Input().FullName()] = true
			inOut[m.Output().FullName()] = true
			methods = append(methods, m)
		}
	}
	names := make(map[protoreflect.Name]int) // of methods
	after := make(map[string][]protoreflect.MethodDescriptor)
	for _, m := range methods {
		names[m.Name()]++
		for _, name := range eventNames(string(m.Name())) {
			after[name] = append(after[name], m)
		}
	}
	var events []manifest.Publish
	for i := range fd.Messages().Len() {
		msg := fd.Messages().Get(i)
		if inOut[msg.FullName()] {
			continue
		}
		p := manifest.Publish{Message: string(msg.FullName()), Topic: topic}
		for _, m := range after[string(msg.Name())] {
			if kindOf(m) != Unary || required(msg, m.Input(), m.Output()) != nil {
				continue
			}
			called := string(m.Name())
			if names[m.Name()] > 1 {
				called = string(m.Parent().Name()) + "." + called
			}
			p.On = append(p.On, called)
			p.Key = eventKey(msg, string(m.Name()))
		}
		if len(p.On) > 0 {
			events = append(events, p)
		}
	}
	return events
}

// verbNoun is the name of a method that has two parts.
var verbNoun = regexp.MustCompile(`^([A-Z][a-z]+)([A-Z]\w*)$`)

// eventNames are the names of the event of a method VerbNoun: NounVerbed. A method of one word has none.
func eventNames(method string) []string {
	m := verbNoun.FindStringSubmatch(method)
	if m == nil {
		return nil
	}
	var names []string
	for _, past := range pastTenses(m[1]) {
		names = append(names, m[2]+past)
	}
	return names
}

// pastTenses are the spellings of a verb's past participle.
func pastTenses(verb string) []string {
	irregular := map[string]string{
		"Send": "Sent", "Pay": "Paid", "Sell": "Sold", "Buy": "Bought", "Make": "Made", "Set": "Set", "Put": "Put",
		"Begin": "Begun", "Write": "Written", "Take": "Taken", "Hold": "Held", "Build": "Built", "Withdraw": "Withdrawn",
	}
	if past := irregular[verb]; past != "" {
		return []string{past}
	}
	last := verb[len(verb)-1:]
	switch {
	case last == "e":
		return []string{verb + "d"}
	case last == "y" && !strings.ContainsAny(verb[len(verb)-2:len(verb)-1], "aeiou"):
		return []string{verb[:len(verb)-1] + "ied"}
	}
	return []string{verb + "ed", verb + last + "ed"}
}

// eventKey is the field that tells whose event it is: order_id for PlaceOrder, else id; none if there is neither.
func eventKey(msg protoreflect.MessageDescriptor, method string) string {
	noun := strings.TrimLeft(method[1:], "abcdefghijklmnopqrstuvwxyz")
	for _, name := range []string{naming.Snake(noun) + "_id", "id", naming.Snake(noun)} {
		f := msg.Fields().ByName(protoreflect.Name(name))
		if f == nil || f.IsList() || f.IsMap() {
			continue
		}
		switch f.Kind() {
		case protoreflect.StringKind, protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Int32Kind, protoreflect.Uint32Kind:
			return name
		}
	}
	return ""
}
