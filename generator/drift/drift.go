// Package drift compares two states of a service's contract, its RPCs and the events it publishes, and says
// which changes break whom. Descriptors go in, a sorted list of changes comes out. It reads no file and refuses
// nothing: what a change means for a run is decided by its caller.
//
// Rules carry the names of buf's breaking rules where the two agree, so that a change can be looked up there.
package drift

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Class is who a change breaks. Each class includes those after it.
type Class int

// The classes, mildest last.
const (
	Wire   Class = iota // bytes written under one contract are misread, or refused, under the other
	JSON                // only their JSON form is
	Source              // only code that is compiled against the generated types is
)

func (c Class) String() string { return [...]string{"wire", "json", "source"}[c] }

// Contract is what other programs rely on.
type Contract struct {
	Files    *descriptorpb.FileDescriptorSet // what a linked-in Go module provides may be missing, and what Differing leaves out
	Services []string                        // full names
	Events   []Event
}

// Event is a published message. Its old copies outlive every deployment: they sit in topics and queues.
type Event struct {
	Message string // full name
	Topic   string
	Key     string // as a Go expression on the message; empty: none
}

// Change is one difference that breaks somebody.
type Change struct {
	Class   Class
	Rule    string
	Name    string // full name of what changed
	Message string
	Event   string // the published event it reaches; empty for RPCs
}

// Compare returns the breaking changes from old to now, by event first and RPCs last. What was only added
// breaks nobody.
func Compare(old, now Contract) ([]Change, error) {
	before, err := resolve(old.Files)
	if err != nil {
		return nil, fmt.Errorf("descriptors of the old contract: %w", err)
	}
	after, err := resolve(now.Files)
	if err != nil {
		return nil, fmt.Errorf("descriptors of the new contract: %w", err)
	}
	var changes []Change
	for _, e := range old.Events {
		c := comparer{after: after, event: e.Message}
		c.published(e, now.Events, before)
		changes = append(changes, c.changes...)
	}
	c := comparer{after: after}
	for _, name := range old.Services {
		c.service(name, slices.Contains(now.Services, name), before)
	}
	changes = append(changes, c.changes...)
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(-cmp.Compare(a.Event, b.Event), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Rule, b.Rule))
	})
	return slices.CompactFunc(changes, func(a, b Change) bool { return a == b }), nil
}

// resolve links a set of files. What they import and the set lacks is looked up among the linked-in files; what
// is nowhere stays a placeholder, since a contract can be compared without it.
func resolve(set *descriptorpb.FileDescriptorSet) (*protoregistry.Files, error) {
	files := new(protoregistry.Files)
	for _, file := range set.GetFile() {
		fd, err := protodesc.FileOptions{AllowUnresolvable: true}.New(file, fallback{files})
		if err != nil {
			return nil, err
		}
		if err := files.RegisterFile(fd); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// fallback resolves in the set first, then among the linked-in files.
type fallback struct{ *protoregistry.Files }

func (f fallback) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if fd, err := f.Files.FindFileByPath(path); err == nil {
		return fd, nil
	}
	return protoregistry.GlobalFiles.FindFileByPath(path)
}

func (f fallback) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := f.Files.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return protoregistry.GlobalFiles.FindDescriptorByName(name)
}

func find[D protoreflect.Descriptor](files *protoregistry.Files, name string) (D, bool) {
	d, err := fallback{files}.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		var none D
		return none, false
	}
	typed, ok := d.(D)
	return typed, ok
}

// comparer collects the changes of one event, or of all RPCs.
type comparer struct {
	after   *protoregistry.Files
	event   string
	changes []Change
	seen    map[[2]protoreflect.FullName]bool // pairs compared already
	instead string                            // what to add where the two messages are not of one name
}

func (c *comparer) add(class Class, rule string, d protoreflect.Descriptor, format string, args ...any) {
	c.named(class, rule, string(d.FullName()), format, args...)
}

func (c *comparer) named(class Class, rule, name, format string, args ...any) {
	c.changes = append(c.changes, Change{Class: class, Rule: rule, Name: name, Message: fmt.Sprintf(format, args...) + c.instead, Event: c.event})
}

// published compares an event's delivery, then its message.
func (c *comparer) published(old Event, now []Event, before *protoregistry.Files) {
	i := slices.IndexFunc(now, func(e Event) bool { return e.Message == old.Message })
	if i < 0 {
		c.named(Wire, "EVENT_NO_DELETE", old.Message, "the event is no longer published")
		return
	}
	if now[i].Topic != old.Topic {
		c.named(Wire, "EVENT_SAME_TOPIC", old.Message, "the event moved from topic %s to %s, where its consumers do not listen", old.Topic, now[i].Topic)
	}
	if now[i].Key != old.Key {
		c.named(Wire, "EVENT_SAME_KEY", old.Message, "the key changed from %s to %s: order is kept per key, so not across this change",
			cmp.Or(old.Key, "none"), cmp.Or(now[i].Key, "none"))
	}
	was, ok := find[protoreflect.MessageDescriptor](before, old.Message)
	if !ok {
		return // the same as it was
	}
	if is, ok := find[protoreflect.MessageDescriptor](c.after, old.Message); ok {
		c.message(was, is)
	} else {
		c.add(Wire, "MESSAGE_NO_DELETE", was, "the message is gone")
	}
}

func (c *comparer) service(name string, served bool, before *protoregistry.Files) {
	if !served {
		c.named(Wire, "SERVICE_NO_DELETE", name, "the service is gone")
		return
	}
	was, ok := find[protoreflect.ServiceDescriptor](before, name)
	if !ok {
		return // the same as it was
	}
	is, ok := find[protoreflect.ServiceDescriptor](c.after, name)
	if !ok {
		return // of a module that provides it now
	}
	for i := range was.Methods().Len() {
		old := was.Methods().Get(i)
		now := is.Methods().ByName(old.Name())
		if now == nil {
			c.add(Wire, "RPC_NO_DELETE", old, "the method is gone")
			continue
		}
		if old.IsStreamingClient() != now.IsStreamingClient() {
			c.add(Wire, "RPC_SAME_CLIENT_STREAMING", old, "client streaming changed from %t to %t", old.IsStreamingClient(), now.IsStreamingClient())
		}
		if old.IsStreamingServer() != now.IsStreamingServer() {
			c.add(Wire, "RPC_SAME_SERVER_STREAMING", old, "server streaming changed from %t to %t", old.IsStreamingServer(), now.IsStreamingServer())
		}
		c.rpcType(old, "request", "RPC_SAME_REQUEST_TYPE", old.Input(), now.Input())
		c.rpcType(old, "response", "RPC_SAME_RESPONSE_TYPE", old.Output(), now.Output())
	}
}

// rpcType compares a method's request or response. Another type with the same fields breaks only code.
func (c *comparer) rpcType(method protoreflect.MethodDescriptor, what, rule string, was, is protoreflect.MessageDescriptor) {
	if was.FullName() != is.FullName() {
		c.add(Source, rule, method, "the %s type changed from %s to %s", what, was.FullName(), is.FullName())
	}
	c.message(was, is)
}
