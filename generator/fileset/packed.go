package fileset

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// Packed is the content of a file, compressed: generated code takes a tenth of the memory, and a run with ten thousand
// methods holds a hundred megabytes of it until it knows that all of it can be written.
type Packed []byte

var writers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a valid one
	}
	return w
}}

// Pack compresses content.
func Pack(content []byte) Packed {
	var out bytes.Buffer
	w := writers.Get().(*flate.Writer) //nolint:forcetypeassert,errcheck // there is nothing else in it
	defer writers.Put(w)
	w.Reset(&out)
	if _, err := w.Write(content); err != nil {
		panic(err) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return bytes.Clone(out.Bytes())
}

// Bytes is the content.
func (p Packed) Bytes() []byte {
	content, err := io.ReadAll(flate.NewReader(bytes.NewReader(p)))
	if err != nil {
		panic(fmt.Errorf("unpack what was packed: %w", err))
	}
	return content
}
