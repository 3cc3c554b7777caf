package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// methods lists every method of the service's gRPC services.
func methods(id Identity) []protoreflect.MethodDescriptor {
	var out []protoreflect.MethodDescriptor
	for _, name := range id.Services {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		service, ok := d.(protoreflect.ServiceDescriptor)
		if err != nil || !ok {
			continue // its stubs are not linked in, so it is not served either
		}
		for i := range service.Methods().Len() {
			out = append(out, service.Methods().Get(i))
		}
	}
	return out
}

func shortName(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("%s/%s", m.Parent().Name(), m.Name())
}

// methodNames are the names of all methods, with the package where several services have the name.
func methodNames(id Identity) []string {
	all := methods(id)
	count := map[string]int{}
	for _, m := range all {
		count[shortName(m)]++
	}
	var out []string
	for _, m := range all {
		name := shortName(m)
		if count[name] > 1 {
			name = fullName(m)
		}
		out = append(out, name)
	}
	return out
}

func fullName(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("%s/%s", m.Parent().FullName(), m.Name())
}

// findMethod finds the method that a person means: by its name, as far as they gave it.
func findMethod(id Identity, name string) (protoreflect.MethodDescriptor, error) {
	want := "." + strings.ReplaceAll(strings.Trim(name, "/"), "/", ".")
	var found []protoreflect.MethodDescriptor
	for _, m := range methods(id) {
		if "."+string(m.FullName()) == want {
			return m, nil // it may end the name of another one
		}
		if strings.HasSuffix("."+string(m.FullName()), want) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if near := nearest(name, methodNames(id)); near != "" {
			return nil, usagef("no method %s; did you mean %s?", name, near)
		}
		return nil, usagef("no method %s; there are %s", name, strings.Join(methodNames(id), ", "))
	default:
		var names []string
		for _, m := range found {
			names = append(names, fullName(m))
		}
		return nil, usagef("%s may be any of %s", name, strings.Join(names, ", "))
	}
}

// nearest is the candidate that takes the fewest edits to type instead, if they are few for the length of what is not a
// service that both name.
func nearest(name string, candidates []string) string {
	best, distance := "", len(name)
	for _, c := range candidates {
		given, against := strings.ToLower(name), strings.ToLower(c)
		service, method, _ := strings.Cut(against, "/")
		if !strings.ContainsAny(name, "/.") {
			against = method
		} else if rest, ok := strings.CutPrefix(given, service); ok && len(rest) > 1 {
			given, against = rest[1:], method
		}
		if d := edits(given, against); d < distance && d < len(given)/3+2 {
			best, distance = c, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// requests yields the messages to send: from the arguments, or as a sequence of JSON values from a reader.
type requests struct {
	desc protoreflect.MessageDescriptor
	args []string
	in   *json.Decoder // nil: args
}

func newRequests(desc protoreflect.MessageDescriptor, args []string, in io.Reader) *requests {
	r := &requests{desc: desc, args: args}
	switch {
	case len(args) == 0:
		r.args = []string{"{}"}
	case len(args) == 1 && args[0] == "-":
		r.in = json.NewDecoder(in)
	}
	return r
}

// next is the next message, or io.EOF.
func (r *requests) next() (proto.Message, error) {
	if r.in != nil {
		var raw json.RawMessage
		if err := r.in.Decode(&raw); errors.Is(err, io.EOF) {
			return nil, io.EOF
		} else if err != nil {
			return nil, usagef("standard input: %w", err)
		}
		return r.parse(raw)
	}
	if len(r.args) == 0 {
		return nil, io.EOF
	}
	arg := r.args[0]
	r.args = r.args[1:]
	return r.parse([]byte(arg))
}

// only is the one message of a call that takes one.
func (r *requests) only() (proto.Message, error) {
	if len(r.args) > 1 {
		return nil, usagef("this method takes one message, not %d", len(r.args))
	}
	m, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, usagef("standard input has no message")
	}
	return m, err
}

func (r *requests) parse(text []byte) (proto.Message, error) {
	m := dynamicpb.NewMessage(r.desc)
	if err := protojson.Unmarshal(text, m); err != nil {
		return nil, usagef("the request is no %s: %v", r.desc.FullName(), strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: "))
	}
	return m, nil
}

func indented(m proto.Message) (string, error) {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("print answer: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(squeeze(text)), "", "  "); err != nil {
		return "", fmt.Errorf("print answer: %w", err)
	}
	return b.String(), nil
}

func squeeze(text []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return string(text)
	}
	return b.String()
}
