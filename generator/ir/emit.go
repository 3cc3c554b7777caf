package ir

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/schema"
)

// emit puts an event into the method that a publishes[].on names.
func (r *resolver) emit(services []RPCService, ev Event, msg protoreflect.MessageDescriptor, name string, pos diag.Pos) {
	if name == "" {
		return // reported by package manifest
	}
	var found []*Method
	for i := range services {
		for j := range services[i].Methods {
			m := &services[i].Methods[j]
			if m.Proto == name || strings.HasSuffix(m.Proto, "."+name) {
				found = append(found, m)
			}
		}
	}
	switch {
	case len(found) == 0:
		var all []string
		for _, s := range services {
			for _, m := range s.Methods {
				all = append(all, lastElems(m.Proto, strings.Count(name, ".")+1))
			}
		}
		r.list.Add(pos, cmp.Or(diag.DidYouMean(name, all), theyHave(all)), "no method %s in the services", name)
	case len(found) > 1:
		r.list.Add(pos, fmt.Sprintf("write %s or %s", qualified(found[0], found[1]), qualified(found[1], found[0])), "several services have a method %s", name)
	case found[0].Kind != Unary:
		r.list.Add(pos, fmt.Sprintf("leave it out of on and call events.%s where the handler knows that it happened", ev.Func),
			"%s is a streaming method, whose stub cannot tell when to emit", name)
	case emits(found[0], ev):
		r.list.Add(pos, "name each method once", "method %s publishes %s already", found[0].Proto, ev.Proto)
	default:
		m := found[0]
		if r.incomplete(m, ev, msg, pos) {
			return
		}
		m.Emits = append(m.Emits, Emit{Event: ev, Fields: r.copies(m.Input.Proto, msg)})
		m.Answer = r.copies(m.Input.Proto, r.find(m.Output.Proto))
	}
}

// emits reports whether m emits ev already: a method has several names.
func emits(m *Method, ev Event) bool {
	return slices.ContainsFunc(m.Emits, func(e Emit) bool { return e.Event.Proto == ev.Proto })
}

// incomplete reports an event or a request with a required field of proto2, and an answer with one that the request does not
// fill. A stub cannot make up its value, and without it nothing of them can be sent, also not by the test of the stub.
func (r *resolver) incomplete(m *Method, ev Event, event protoreflect.MessageDescriptor, pos diag.Pos) bool {
	field := required(event, r.find(m.Input.Proto))
	if answer := r.find(m.Output.Proto); field == nil && answer != nil {
		filled := r.copies(m.Input.Proto, answer)
		names := fieldNames(answer)
		for i := range answer.RequiredNumbers().Len() {
			f := answer.Fields().ByNumber(answer.RequiredNumbers().Get(i))
			if !slices.ContainsFunc(filled, func(c FieldCopy) bool { return c.GoName == names[f.Name()] }) {
				field = f
				break
			}
		}
	}
	if field == nil {
		return false
	}
	r.list.Add(pos, fmt.Sprintf("leave it out of on and call events.%s in the handler, with a value", ev.Func),
		"%s is required, and a stub cannot know its value", field.FullName())
	return true
}

// required is the first required field of one of the messages, or nil.
func required(messages ...protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	for _, msg := range messages {
		if msg != nil && msg.RequiredNumbers().Len() > 0 {
			return msg.Fields().ByNumber(msg.RequiredNumbers().Get(0))
		}
	}
	return nil
}

// qualified is the shortest name of m that is not also one of other.
func qualified(m, other *Method) string {
	for n := 2; ; n++ {
		name := lastElems(m.Proto, n)
		if name == m.Proto || !strings.HasSuffix("."+other.Proto, "."+name) {
			return name
		}
	}
}

// lastElems is the last n dotted elements of a name.
func lastElems(name string, n int) string {
	parts := strings.Split(name, ".")
	return strings.Join(parts[max(len(parts)-n, 0):], ".")
}

// copies are the fields of a message that a request of the given type can fill: same name, same type. Where the
// message has no exported fields, because the opaque API is in force, there are none.
func (r *resolver) copies(request string, msg protoreflect.MessageDescriptor) []FieldCopy {
	req := r.find(request)
	if req == nil || msg == nil || opaque(msg) {
		return nil
	}
	from, to := fieldNames(req), fieldNames(msg)
	var list []FieldCopy
	for i := range msg.Fields().Len() {
		field := msg.Fields().Get(i)
		source := req.Fields().ByName(field.Name())
		if source == nil || !sameType(source, field) || inOneof(field) {
			continue
		}
		c := FieldCopy{GoName: to[field.Name()], Expr: "req." + getter(source) + "()"}
		if pointer(field) {
			if !pointer(source) || opaque(req) {
				continue
			}
			c.Expr = "req." + from[source.Name()]
		}
		list = append(list, c)
	}
	return list
}

func (r *resolver) find(message string) protoreflect.MessageDescriptor {
	for _, f := range r.schema.Files {
		if m, ok := r.declaration(f, message).(protoreflect.MessageDescriptor); ok {
			return m
		}
	}
	return nil
}

// declaration is the declaration of a full name in a file, with all in it, or nil.
func (r *resolver) declaration(f *schema.File, name string) protoreflect.Descriptor {
	if findDescriptor(f.Names, protoreflect.FullName(name)) == nil {
		return nil
	}
	return findDescriptor(f.Desc(), protoreflect.FullName(name))
}

// inOneof reports whether a field is wrapped in Go, as a member of a oneof that was written as one.
func inOneof(f protoreflect.FieldDescriptor) bool {
	o := f.ContainingOneof()
	return o != nil && !o.IsSynthetic()
}

// pointer reports whether protoc-gen-go makes the field a pointer to a scalar.
func pointer(f protoreflect.FieldDescriptor) bool {
	return f.HasPresence() && f.Message() == nil && f.Kind() != protoreflect.BytesKind && !inOneof(f)
}

// sameType reports whether two fields have the same Go type, apart from being a pointer.
func sameType(a, b protoreflect.FieldDescriptor) bool {
	if a.IsMap() != b.IsMap() || a.IsList() != b.IsList() || a.Kind() != b.Kind() {
		return false
	}
	switch {
	case a.IsMap():
		return sameType(a.MapKey(), b.MapKey()) && sameType(a.MapValue(), b.MapValue())
	case a.Message() != nil:
		return a.Message().FullName() == b.Message().FullName()
	case a.Enum() != nil:
		return a.Enum().FullName() == b.Enum().FullName()
	}
	return true
}

// theyHave is a hint that lists the methods, if there are not too many.
func theyHave(methods []string) string {
	const most = 8
	switch {
	case len(methods) == 0:
		return "the services in proto.files have no methods"
	case len(methods) > most:
		return fmt.Sprintf("the services have %s and %d more", strings.Join(methods[:most], ", "), len(methods)-most)
	}
	return "the services have " + strings.Join(methods, ", ")
}
