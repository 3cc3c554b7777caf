// Package descriptor walks serialized descriptors, and other messages, field by field: decoding all of a file takes longer
// than what most of svcgen wants of it, and encoding it again may give other bytes.
package descriptor

import (
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields in descriptor.proto.
const (
	SetFile protowire.Number = 1

	FileName       protowire.Number = 1
	FilePackage    protowire.Number = 2
	FileDependency protowire.Number = 3
	FileMessages   protowire.Number = 4
	FileEnums      protowire.Number = 5
	FileServices   protowire.Number = 6
	FileExtensions protowire.Number = 7
	FileOptions    protowire.Number = 8
	FileSourceInfo protowire.Number = 9

	declarationName protowire.Number = 1 // of a message, an enum and a service

	messageFields protowire.Number = 2
	messageNested protowire.Number = 3
	messageOneofs protowire.Number = 8
	fieldType     protowire.Number = 6

	serviceMethods protowire.Number = 2
	methodInput    protowire.Number = 2
	methodOutput   protowire.Number = 3

	OptionsGoPackage protowire.Number = 11

	LocationPath protowire.Number = 1
)

// FirstExtension is the first number that an extension of a descriptor may have.
const FirstExtension protowire.Number = 1000

// Field is one field as it stands in a message.
type Field struct {
	Number protowire.Number
	Whole  []byte // with its tag
	Value  []byte // nil unless it is length-delimited
}

// Fields are those of a message in its order, up to an error in it.
func Fields(message []byte) iter.Seq2[Field, error] {
	return func(yield func(Field, error) bool) {
		for len(message) > 0 {
			number, kind, n := protowire.ConsumeField(message)
			if n < 0 {
				yield(Field{}, fmt.Errorf("read a serialized message: %w", protowire.ParseError(n)))
				return
			}
			f := Field{Number: number, Whole: message[:n]}
			if kind == protowire.BytesType {
				_, _, tag := protowire.ConsumeTag(message)
				f.Value, _ = protowire.ConsumeBytes(message[tag:]) // ConsumeField has found it well-formed
			}
			if !yield(f, nil) {
				return
			}
			message = message[n:]
		}
	}
}

// Declarations is the descriptor of a file without the fields and oneofs of its messages. All else is there, so that it can be linked.
func Declarations(file []byte) ([]byte, error) {
	out := make([]byte, 0, len(file)/2)
	for f, err := range Fields(file) {
		if err != nil {
			return nil, err
		}
		if f.Number != FileMessages {
			out = append(out, f.Whole...)
			continue
		}
		bare, err := BareMessage(f.Value)
		if err != nil {
			return nil, err
		}
		out = Append(out, FileMessages, bare)
	}
	return out, nil
}

// BareMessage is a message without fields and oneofs, and so are those nested in it.
func BareMessage(message []byte) ([]byte, error) {
	var out []byte
	for f, err := range Fields(message) {
		if err != nil {
			return nil, err
		}
		switch f.Number {
		case messageFields, messageOneofs:
		case messageNested:
			bare, err := BareMessage(f.Value)
			if err != nil {
				return nil, err
			}
			out = Append(out, messageNested, bare)
		default:
			out = append(out, f.Whole...)
		}
	}
	return out, nil
}

// NameOf is the name in the descriptor of a message, an enum or a service.
func NameOf(declaration []byte) (name string, err error) {
	for f, err := range Fields(declaration) {
		if err != nil || f.Number == declarationName {
			return string(f.Value), err
		}
	}
	return "", nil
}

// MessageTypes are the types of the fields of a message and of those nested in it, each by its full name with a dot before it.
func MessageTypes(message []byte) (types []string, err error) {
	for f, err := range Fields(message) {
		if err != nil {
			return nil, err
		}
		var more []string
		switch f.Number {
		case messageFields:
			more, err = strings(f.Value, fieldType)
		case messageNested:
			more, err = MessageTypes(f.Value)
		}
		if err != nil {
			return nil, err
		}
		types = append(types, more...)
	}
	return types, nil
}

// ServiceTypes are the types that the methods of a service take and return, named as those of MessageTypes.
func ServiceTypes(service []byte) (types []string, err error) {
	for f, err := range Fields(service) {
		if err != nil {
			return nil, err
		}
		if f.Number != serviceMethods {
			continue
		}
		more, err := strings(f.Value, methodInput, methodOutput)
		if err != nil {
			return nil, err
		}
		types = append(types, more...)
	}
	return types, nil
}

// strings are the values of some fields of a message.
func strings(message []byte, numbers ...protowire.Number) (values []string, err error) {
	for f, err := range Fields(message) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(numbers, f.Number) {
			values = append(values, string(f.Value))
		}
	}
	return values, nil
}

// Append adds a length-delimited field to a message.
func Append(message []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), value)
}
