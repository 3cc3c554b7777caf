package ir

import (
	"cmp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/naming"
)

// publishes resolves the published events and puts each into the methods that emit it.
func (r *resolver) publishes(services []RPCService) []Event {
	first := make(map[string]diag.Pos)
	var events []Event
	var messages []protoreflect.MessageDescriptor
	var from []int // the manifest's
	for i, p := range r.manifest.Publishes {
		pos := r.manifest.Pos("publishes[%d].message", i)
		msg := r.message(p.Message, pos)
		if msg == nil || r.twice(first, p.Message, pos, "published") {
			continue
		}
		r.exchange(p.Topic, r.manifest.Pos("publishes[%d].topic", i))
		events, messages, from = append(events, r.event(msg, p.Topic, pos)), append(messages, msg), append(from, i)
	}
	funcs := naming.NewScope("Events", "New")
	keepFirst(funcs, nil, pointers(events), r.publisher, func(ev *Event, kept []string) {
		ev.Func = funcs.Claim(append(kept, ev.Message.Name, naming.Camel(ev.Message.Import.Alias)+ev.Message.Name)...)
	})
	for n, i := range from {
		ev, p := &events[n], r.manifest.Publishes[i]
		ev.KeyExpr, ev.KeyImports = r.key(messages[n], p.Key, r.manifest.Pos("publishes[%d].key", i))
		for j, name := range p.On {
			r.emit(services, *ev, messages[n], name, r.manifest.Pos("publishes[%d].on[%d]", i, j))
		}
	}
	return events
}

// publisher is the name that the function for an event has already; empty if it has none.
func (r *resolver) publisher(ev *Event) string {
	name, has := r.names.Events[ev.Proto]
	if has && name == "" {
		return ev.Message.Name
	}
	return name
}

// consumes resolves the consumed events.
func (r *resolver) consumes(files *userFiles) []Event {
	first := make(map[string]diag.Pos)
	var events []Event
	for i, c := range r.manifest.Consumes {
		pos := r.manifest.Pos("consumes[%d].message", i)
		msg := r.message(c.Message, pos)
		if msg == nil || r.twice(first, c.Message, pos, "consumed") {
			continue
		}
		at := r.manifest.Pos("consumes[%d].topic", i)
		r.exchange(c.Topic, at)
		if queue := r.manifest.Name + "." + c.Topic + "." + c.Message; r.manifest.Broker == rabbitmq && len(queue) > maxQueue {
			r.list.Add(at, "shorten the topic, or the name of the service or the message", "the queue %s has a name longer than %d bytes", queue, maxQueue)
		}
		events = append(events, r.event(msg, c.Topic, pos))
	}
	funcs := naming.NewScope()
	handler := func(ev *Event) string {
		return cmp.Or(r.names.Handlers[ev.Proto], r.names.Handlers[ev.Message.Key(r.manifest.Module)])
	}
	keepFirst(funcs, r.names.Left, pointers(events), handler, func(ev *Event, kept []string) {
		ev.Func = funcs.Claim(append(kept, "On"+ev.Message.Name, "On"+naming.Camel(ev.Message.Import.Alias)+ev.Message.Name)...)
	})
	for i := range events {
		events[i].File, events[i].TestFile = files.claim(naming.Snake(events[i].Func), "event")
	}
	return events
}

const (
	rabbitmq = "rabbitmq"
	maxQueue = 255 // bytes: a short string of AMQP 0-9-1
)

// exchange refuses a topic that RabbitMQ keeps for itself.
func (r *resolver) exchange(topic string, pos diag.Pos) {
	if r.manifest.Broker == rabbitmq && strings.HasPrefix(topic, "amq.") {
		r.list.Add(pos, "give the topic another name", "RabbitMQ keeps the names of exchanges that begin with amq. for itself")
	}
}

func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func (r *resolver) event(msg protoreflect.MessageDescriptor, topic string, pos diag.Pos) Event {
	return Event{Proto: string(msg.FullName()), Message: r.typeRef(msg), Topic: topic, Pos: pos}
}

// twice reports a message that stands in a list a second time: its events function fixes one topic and one key.
func (r *resolver) twice(first map[string]diag.Pos, message string, pos diag.Pos, how string) bool {
	before, dup := first[message]
	if dup {
		r.list.Add(pos, "an event has one topic and one key; declare a second message for a second topic", "%s is already %s on line %d", message, how, before.Line)
		return true
	}
	first[message] = pos
	return false
}

// message is the message of a full name.
func (r *resolver) message(name string, pos diag.Pos) protoreflect.MessageDescriptor {
	if name == "" {
		return nil // reported by package manifest
	}
	var found protoreflect.Descriptor
	for _, f := range r.schema.Files {
		if d := r.declaration(f, name); d != nil {
			found = d
			break
		}
	}
	switch d := found.(type) {
	case nil:
		hint := diag.DidYouMean(name, r.messageNames())
		if hint == "" {
			hint = "list its file in proto.files, or put it where its package says, in an import root"
		}
		r.list.Add(pos, hint, "no message %s in the proto files", name)
	case protoreflect.MessageDescriptor:
		if !d.IsMapEntry() {
			return d
		}
		r.list.Add(pos, "", "%s is an entry of a map, not a message", name)
	default:
		r.list.Add(pos, "", "%s is %s, not a message", name, what(d))
	}
	return nil
}

// messageNames are the full names of the messages one may have meant.
func (r *resolver) messageNames() []string {
	var names []string
	var walk func(protoreflect.MessageDescriptors)
	walk = func(list protoreflect.MessageDescriptors) {
		for i := range list.Len() {
			if m := list.Get(i); !m.IsMapEntry() {
				names = append(names, string(m.FullName()))
				walk(m.Messages())
			}
		}
	}
	for _, f := range r.schema.Files {
		if f.Known == nil {
			walk(f.Names.Messages())
		}
	}
	return names
}

// findDescriptor is the declaration of a full name in a file, or nil.
func findDescriptor(fd protoreflect.FileDescriptor, name protoreflect.FullName) protoreflect.Descriptor {
	rest := string(name)
	if pkg := string(fd.Package()); pkg != "" {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, pkg+"."); !ok {
			return nil
		}
	}
	parts := strings.Split(rest, ".")
	var scope interface {
		Messages() protoreflect.MessageDescriptors
		Enums() protoreflect.EnumDescriptors
	} = fd
	for i, part := range parts {
		if m := scope.Messages().ByName(protoreflect.Name(part)); m != nil {
			if i == len(parts)-1 {
				return m
			}
			scope = m
			continue
		}
		if i == len(parts)-1 {
			if e := scope.Enums().ByName(protoreflect.Name(part)); e != nil {
				return e
			}
			if s := fd.Services().ByName(protoreflect.Name(part)); s != nil && i == 0 {
				return s
			}
		}
		return nil
	}
	return nil
}

// what names the sort of declaration d is.
func what(d protoreflect.Descriptor) string {
	switch d.(type) {
	case protoreflect.EnumDescriptor:
		return "an enum"
	case protoreflect.ServiceDescriptor:
		return "a service"
	case protoreflect.MethodDescriptor:
		return "a method"
	case protoreflect.FieldDescriptor:
		return "a field"
	}
	return "a declaration"
}
