package ir

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/naming"
)

// noKey is the key expression of an event without a key: no order is promised among its events.
const noKey = `""`

// key is the Go expression, of type string, for the key of an event ev, and the packages it needs. Strings are
// taken as they are, integers in decimal, bytes in hex, enums by name. It goes through getters, which work with every
// API of protobuf and on messages that are not set.
func (r *resolver) key(msg protoreflect.MessageDescriptor, path string, pos diag.Pos) (expr string, imports []string) {
	if path == "" {
		return noKey, nil
	}
	expr = "ev"
	names := strings.Split(path, ".")
	for i, name := range names {
		field := msg.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			r.unknownField(msg, names[:i], name, pos)
			return noKey, nil
		}
		expr += "." + getter(field) + "()"
		last := i == len(names)-1
		switch {
		case field.IsMap(), field.IsList():
			r.list.Add(pos, "name a field that has one value", "key field %s is %s", field.FullName(), cardinality(field))
			return noKey, nil
		case last && field.Message() != nil:
			r.list.Add(pos, r.fieldHint(field.Message(), names, ""), "key field %s is a message", field.FullName())
			return noKey, nil
		case !last && field.Message() == nil:
			r.list.Add(pos, fmt.Sprintf("did you mean %s?", strings.Join(names[:i+1], ".")), "key field %s has no fields: it is no message", field.FullName())
			return noKey, nil
		case last:
			return r.keyText(field, expr, pos)
		}
		msg = field.Message()
	}
	return noKey, nil
}

// keyText turns the value of a scalar field into a string.
func (r *resolver) keyText(field protoreflect.FieldDescriptor, expr string, pos diag.Pos) (string, []string) {
	switch field.Kind() {
	case protoreflect.StringKind:
		return expr, nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return "strconv.FormatInt(" + expr + ", 10)", []string{"strconv"}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return "strconv.FormatInt(int64(" + expr + "), 10)", []string{"strconv"}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "strconv.FormatUint(" + expr + ", 10)", []string{"strconv"}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "strconv.FormatUint(uint64(" + expr + "), 10)", []string{"strconv"}
	case protoreflect.BoolKind:
		return "strconv.FormatBool(" + expr + ")", []string{"strconv"}
	case protoreflect.EnumKind:
		return expr + ".String()", nil
	case protoreflect.BytesKind:
		return "hex.EncodeToString(" + expr + ")", []string{"encoding/hex"}
	default:
		r.list.Add(pos, "name a field that is a string, an integer, bytes, an enum or a bool",
			"key field %s is a %s, which is no dependable key", field.FullName(), field.Kind())
		return noKey, nil
	}
}

func (r *resolver) unknownField(msg protoreflect.MessageDescriptor, before []string, name string, pos diag.Pos) {
	r.list.Add(pos, r.fieldHint(msg, before, name), "message %s has no field %s", msg.FullName(), name)
}

// fieldHint names the field that was probably meant, or those there are. before is the path to the message.
func (r *resolver) fieldHint(msg protoreflect.MessageDescriptor, before []string, name string) string {
	var paths []string
	for i := range msg.Fields().Len() {
		if f := msg.Fields().Get(i); !f.IsList() && !f.IsMap() {
			paths = append(paths, strings.Join(append(slices.Clone(before), string(f.Name())), "."))
		}
	}
	if hint := diag.DidYouMean(strings.Join(append(slices.Clone(before), name), "."), paths); hint != "" {
		return hint
	}
	if len(paths) == 0 {
		return ""
	}
	return "its fields are " + strings.Join(paths[:min(len(paths), 12)], ", ")
}

func cardinality(f protoreflect.FieldDescriptor) string {
	if f.IsMap() {
		return "a map"
	}
	return "repeated"
}

// fieldNames are the Go names of a message's fields and oneofs, made as protogen makes them: a name that would collide
// with a method or another field gets underscores, in the order of declaration.
func fieldNames(msg protoreflect.MessageDescriptor) map[protoreflect.Name]string {
	used := map[string]bool{
		"Reset": true, "String": true, "ProtoMessage": true, "Marshal": true, "Unmarshal": true,
		"ExtensionRangeArray": true, "ExtensionMap": true, "Descriptor": true,
	}
	unique := func(name string, getter bool) string {
		for used[name] || getter && used["Get"+name] {
			name += "_"
		}
		used[name] = true
		used["Get"+name] = getter
		return name
	}
	names := make(map[protoreflect.Name]string)
	for i := range msg.Fields().Len() {
		f := msg.Fields().Get(i)
		names[f.Name()] = unique(naming.Camel(string(f.Name())), true)
		if o := f.ContainingOneof(); o != nil && o.Fields().Get(0) == f {
			names[o.Name()] = unique(naming.Camel(string(o.Name())), false)
		}
	}
	return names
}
