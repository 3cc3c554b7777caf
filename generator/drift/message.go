package drift

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// message compares two messages and everything their fields reach.
func (c *comparer) message(was, is protoreflect.MessageDescriptor) {
	pair := [2]protoreflect.FullName{was.FullName(), is.FullName()}
	if c.seen[pair] || was.IsPlaceholder() || is.IsPlaceholder() {
		return
	}
	if c.seen == nil {
		c.seen = make(map[[2]protoreflect.FullName]bool)
	}
	c.seen[pair] = true
	defer func(outer string) { c.instead = outer }(c.instead)
	c.instead = ""
	if pair[0] != pair[1] {
		c.instead = fmt.Sprintf(", since %s is where %s was", pair[1], pair[0])
	}

	for i := range was.Fields().Len() {
		old := was.Fields().Get(i)
		if now := is.Fields().ByNumber(old.Number()); now != nil {
			c.field(old, now)
		} else {
			c.fieldGone(old, is)
		}
	}
	for i := range is.Fields().Len() {
		now := is.Fields().Get(i)
		if now.Cardinality() == protoreflect.Required && was.Fields().ByNumber(now.Number()) == nil {
			c.add(Wire, "MESSAGE_SAME_REQUIRED_FIELDS", now, "a required field was added: messages written before lack it")
		}
		if was.ReservedRanges().Has(now.Number()) {
			c.add(Wire, "RESERVED_MESSAGE_NO_DELETE", now, "number %d was reserved for a field that is gone, and is used again", now.Number())
		}
	}
}

// fieldGone judges a removed field by what was reserved in its place.
func (c *comparer) fieldGone(old protoreflect.FieldDescriptor, is protoreflect.MessageDescriptor) {
	switch {
	case old.Cardinality() == protoreflect.Required:
		c.add(Wire, "MESSAGE_SAME_REQUIRED_FIELDS", old, "a required field was removed: readers not yet upgraded refuse messages without it")
	case !is.ReservedRanges().Has(old.Number()):
		c.add(Wire, "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED", old, "the field was removed without reserving its number %d", old.Number())
	case !is.ReservedNames().Has(old.Name()):
		c.add(JSON, "FIELD_NO_DELETE_UNLESS_NAME_RESERVED", old, "the field was removed without reserving its name %q", old.Name())
	default:
		c.add(Source, "FIELD_NO_DELETE", old, "the field was removed")
	}
}

func (c *comparer) field(was, is protoreflect.FieldDescriptor) {
	if was.Name() != is.Name() {
		c.add(Source, "FIELD_SAME_NAME", was, "field %d was renamed to %s", was.Number(), is.Name())
	}
	if was.JSONName() != is.JSONName() {
		c.add(JSON, "FIELD_SAME_JSON_NAME", was, "the JSON name of field %d changed from %s to %s", was.Number(), was.JSONName(), is.JSONName())
	}
	if !sameOneof(was, is) {
		c.add(Wire, "FIELD_SAME_ONEOF", was, "the field moved into, out of, or between oneofs")
	} else if was.HasPresence() != is.HasPresence() && was.IsList() == is.IsList() && was.IsMap() == is.IsMap() {
		c.add(Source, "FIELD_SAME_CARDINALITY", was, "the field gained or lost explicit presence")
	}
	if was.IsMap() != is.IsMap() || was.IsList() != is.IsList() {
		c.add(Wire, "FIELD_WIRE_COMPATIBLE_CARDINALITY", was, "the field changed from %s to %s", shape(was), shape(is))
		return
	}
	if required := protoreflect.Required; (was.Cardinality() == required) != (is.Cardinality() == required) {
		c.add(Wire, "MESSAGE_SAME_REQUIRED_FIELDS", was, "the field changed from %s to %s", was.Cardinality(), is.Cardinality())
	}
	if was.IsMap() && is.IsMap() {
		c.kind(was, was.MapKey(), is.MapKey())
		c.kind(was, was.MapValue(), is.MapValue())
		return
	}
	c.kind(was, was, is)
	if was.HasDefault() && is.HasDefault() && !was.Default().Equal(is.Default()) {
		c.add(Wire, "FIELD_SAME_DEFAULT", was, "the default value changed")
	}
}

// sameOneof reports whether two fields are members of the same real oneof, or of none.
func sameOneof(a, b protoreflect.FieldDescriptor) bool {
	name := func(f protoreflect.FieldDescriptor) protoreflect.Name {
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
			return o.Name()
		}
		return ""
	}
	return name(a) == name(b)
}

func shape(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "a map"
	case f.IsList():
		return "repeated"
	default:
		return "a single value"
	}
}

// The groups of kinds that may replace each other, from the protobuf documentation, "Updating a Message Type".
var (
	wireGroups = [][]protoreflect.Kind{
		{protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.BoolKind},
		{protoreflect.Sint32Kind, protoreflect.Sint64Kind},
		{protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind},
		{protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind},
	}
	jsonGroups = [][]protoreflect.Kind{
		{protoreflect.Int32Kind, protoreflect.Uint32Kind}, // 64-bit numbers are strings in JSON
		{protoreflect.Int64Kind, protoreflect.Uint64Kind},
		{protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind},
		{protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind},
	}
)

func together(groups [][]protoreflect.Kind, a, b protoreflect.Kind) bool {
	return slices.ContainsFunc(groups, func(g []protoreflect.Kind) bool { return slices.Contains(g, a) && slices.Contains(g, b) })
}

// kind compares the types of was and is, which are field itself or the key or value of a map field.
func (c *comparer) kind(field, was, is protoreflect.FieldDescriptor) {
	a, b := was.Kind(), is.Kind()
	message := func(k protoreflect.Kind) bool { return k == protoreflect.MessageKind || k == protoreflect.GroupKind }
	switch {
	case message(a) && a == b:
		if was.Message().FullName() != is.Message().FullName() {
			c.add(Source, "FIELD_SAME_TYPE", field, "the type changed from %s to %s", was.Message().FullName(), is.Message().FullName())
		}
		c.message(was.Message(), is.Message())
	case a == protoreflect.EnumKind && b == a:
		c.enum(field, was.Enum(), is.Enum())
	case a == b:
	case a == protoreflect.StringKind && b == protoreflect.BytesKind:
		c.add(JSON, "FIELD_WIRE_JSON_COMPATIBLE_TYPE", field, "the type changed from %s to %s", a, b)
	case together(jsonGroups, a, b):
		c.add(Source, "FIELD_SAME_TYPE", field, "the type changed from %s to %s", a, b)
	case together(wireGroups, a, b):
		c.add(JSON, "FIELD_WIRE_JSON_COMPATIBLE_TYPE", field, "the type changed from %s to %s", a, b)
	default:
		c.add(Wire, "FIELD_WIRE_COMPATIBLE_TYPE", field, "the type changed from %s to %s", a, b)
	}
}

func (c *comparer) enum(field protoreflect.FieldDescriptor, was, is protoreflect.EnumDescriptor) {
	if was.IsPlaceholder() || is.IsPlaceholder() {
		return
	}
	if was.FullName() != is.FullName() {
		c.add(Source, "FIELD_SAME_TYPE", field, "the type changed from %s to %s", was.FullName(), is.FullName())
	}
	if was.IsClosed() != is.IsClosed() {
		c.add(Wire, "ENUM_SAME_TYPE", was, "the enum changed between open and closed")
	}
	for i := range was.Values().Len() {
		old := was.Values().Get(i)
		now, same := is.Values().ByNumber(old.Number()), is.Values().ByName(old.Name())
		switch {
		case same != nil && same.Number() != old.Number():
			c.add(Wire, "ENUM_VALUE_SAME_NAME", old, "%s has number %d now, and had %d", old.Name(), same.Number(), old.Number())
		case now == nil && !is.ReservedRanges().Has(old.Number()):
			c.add(Wire, "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED", old, "the value was removed without reserving its number %d", old.Number())
		case now == nil && !is.ReservedNames().Has(old.Name()):
			c.add(JSON, "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED", old, "the value was removed without reserving its name %q", old.Name())
		case now == nil:
			c.add(Source, "ENUM_VALUE_NO_DELETE", old, "the value was removed")
		case same == nil: // else an alias keeps the old name
			c.add(JSON, "ENUM_VALUE_SAME_NAME", old, "value %d was renamed to %s", old.Number(), now.Name())
		}
	}
}
