// Package descriptor walks serialized descriptors, and other messages, field by field: decoding all of a file takes longer
// than what most of svcgen wants of it, and encoding it again may give other bytes.
package descriptor

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields in descriptor.proto.
const (
	SetFile protowire.Number = 1

	FileName       protowire.Number = 1
	FileDependency protowire.Number = 3
	FileMessages   protowire.Number = 4
	FileEnums      protowire.Number = 5
	FileServices   protowire.Number = 6
	FileExtensions protowire.Number = 7
	FileOptions    protowire.Number = 8
	FileSourceInfo protowire.Number = 9

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

// Append adds a length-delimited field to a message.
func Append(message []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(message, number, protowire.BytesType), value)
}
