// Package contract holds what a service promises others and asks of its own code: the methods it serves with their
// Go types, the events it publishes and handles, and the Go packages of its messages. A resolved service goes in; the
// value is kept as JSON in the tree, and the next run compares itself with it. What a difference means is not decided here.
package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/ir"
)

// Names of the files in the tree.
const (
	File        = ".svcgen/contract.json"
	Descriptors = ".svcgen/contract.binpb" // of the protos, a FileDescriptorSet
)

// Contract is what one state of a service promises.
type Contract struct {
	Module   string    `json:"module"`
	Folder   string    `json:"folder"`  // of the user's package, internal/orders
	Package  string    `json:"package"` // its package clause
	Program  string    `json:"program"` // the folder of the command, cmd/orders
	Services []Service `json:"services"`
	Events   []Event   `json:"events"`   // published
	Consumes []Method  `json:"consumes"` // the handlers of consumed events; nil where it is not known
	Messages []Package `json:"messages"`
}

// Consumers is the user's type that handles consumed events.
const Consumers = "Consumers"

// Handler is the kind of its methods: In is the message, and there is no Out.
const Handler ir.Kind = "handler"

// Types are the user's types that have methods: those that serve, and the one that consumes.
func (c Contract) Types() []Service {
	return append(slices.Clip(c.Services), Service{Type: Consumers, Methods: c.Consumes})
}

// Service is one gRPC service.
type Service struct {
	Proto   string   `json:"proto"`
	Type    string   `json:"type"`            // the user's
	Stubs   string   `json:"stubs,omitempty"` // the import path of what is generated for it; empty where it is not known
	Methods []Method `json:"methods"`
}

// Method is one RPC, or the handler of one event.
type Method struct {
	Name string  `json:"name"` // in Go
	Kind ir.Kind `json:"kind"`
	In   Type    `json:"in"`
	Out  Type    `json:"out,omitzero"`

	Message string `json:"message,omitempty"` // the full name of what a handler takes; empty where it is not known
}

// Same reports whether both have one signature.
func (m Method) Same(n Method) bool { return m.Kind == n.Kind && m.In.Same(n.In) && m.Out.Same(n.Out) }

// Type is a Go type.
type Type struct {
	Path  string `json:"path"`
	Alias string `json:"alias"` // how svcgen names the import
	Name  string `json:"name"`
}

// Same reports whether both are one type, however its import is named.
func (t Type) Same(u Type) bool { return t.Path == u.Path && t.Name == u.Name }

// Event is a published message.
type Event struct {
	Message string   `json:"message"`
	Func    string   `json:"func,omitempty"` // that publishes it; empty: called as the message is
	Topic   string   `json:"topic"`
	Key     string   `json:"key"`          // as a Go expression on the message
	On      []string `json:"on,omitempty"` // the methods that are to publish it, with their types
}

// Package is a Go package of messages that svcgen generates.
type Package struct {
	Path  string   `json:"path"`
	Types []string `json:"types"` // its messages and enums, those that are not nested
}

// Of is the contract of s.
func Of(s *ir.Service) Contract {
	c := Contract{Module: s.Module, Folder: "internal/" + s.Package, Package: s.Package, Program: "cmd/" + s.Name, Consumes: []Method{}}
	on := map[string][]string{} // by event
	for _, served := range s.RPC {
		service := Service{Proto: served.Proto, Type: served.Type, Stubs: served.Import.Path}
		for _, m := range served.Methods {
			service.Methods = append(service.Methods, Method{Name: m.GoName, Kind: m.Kind, In: typeOf(m.Input), Out: typeOf(m.Output)})
			for _, e := range m.Emits {
				on[e.Event.Proto] = append(on[e.Event.Proto], served.Type+"."+m.GoName)
			}
		}
		c.Services = append(c.Services, service)
	}
	for _, e := range s.Publishes {
		key := e.KeyExpr
		if key == strconv.Quote("") {
			key = ""
		}
		called := e.Func
		if called == e.Message.Name {
			called = ""
		}
		c.Events = append(c.Events, Event{Message: e.Proto, Func: called, Topic: e.Topic, Key: key, On: on[e.Proto]})
	}
	for _, e := range s.Consumes {
		c.Consumes = append(c.Consumes, Method{Name: e.Func, Kind: Handler, In: typeOf(e.Message), Message: e.Proto})
	}
	at := map[string]int{}
	for _, f := range s.Protos {
		if !f.Generate {
			continue
		}
		i, known := at[f.Go.ImportPath]
		if !known {
			i = len(c.Messages)
			at[f.Go.ImportPath] = i
			c.Messages = append(c.Messages, Package{Path: f.Go.ImportPath})
		}
		c.Messages[i].Types = append(c.Messages[i].Types, f.Types...)
	}
	return c
}

// Names are what c calls things. Without a contract there are none.
func (c *Contract) Names() ir.Names {
	if c == nil {
		return ir.Names{}
	}
	n := ir.Names{Types: map[string]string{}, Handlers: map[string]string{}, Events: map[string]string{}}
	for _, s := range c.Services {
		n.Types[s.Proto] = s.Type
	}
	for _, m := range c.Consumes {
		n.Handlers[cmp.Or(m.Message, ir.KeyOf(c.Module, m.In.Path, m.In.Name))] = m.Name
	}
	plain := map[string]bool{} // an earlier svcgen did not say which of two namesakes is not called as the message is
	for _, e := range c.Events {
		last := e.Message[strings.LastIndexByte(e.Message, '.')+1:]
		if e.Func == "" && plain[last] {
			continue
		}
		n.Events[e.Message], plain[last] = e.Func, plain[last] || e.Func == ""
	}
	return n
}

func typeOf(t ir.TypeRef) Type {
	return Type{Path: t.Import.Path, Alias: t.Import.Alias, Name: t.Name}
}

// Format prints the contract.
func (c Contract) Format() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	return append(text, '\n'), err
}

// Parse reads a contract. Of one with the conflict markers of a merge it reads the side that stands first, which
// is that of the branch that was merged into.
func Parse(text []byte) (Contract, error) {
	var c Contract
	if err := json.Unmarshal(firstSide(text), &c); err != nil {
		return Contract{}, fmt.Errorf("read %s: %w", File, err)
	}
	return c, nil
}

func firstSide(text []byte) []byte {
	if diag.ConflictMarker(text) == 0 {
		return text
	}
	var out []byte
	skip := false
	for line := range bytes.Lines(text) {
		switch diag.MarkerOf(line) {
		case diag.OursMarker, diag.EndMarker:
			skip = false
		case diag.BaseMarker, diag.TheirsMarker:
			skip = true
		case diag.NoMarker:
			if !skip {
				out = append(out, line...)
			}
		}
	}
	return out
}
