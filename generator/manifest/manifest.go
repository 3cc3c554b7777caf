// Package manifest reads svcgen.yaml: bytes go in, a Manifest comes out, or every mistake in them with its place.
//
// One table (keys.go) names the keys, their types, defaults, grammars and docs; the decoder, the JSON Schema, the
// reference in docs and the manifest that svcgen writes are all read from it. The package knows nothing of
// protos: whether a message, field or method exists is decided by package ir. It is the only importer of yaml.
package manifest

import (
	"fmt"

	"github.com/svcgen/svcgen/generator/diag"
)

// FileName is the manifest's name in an emitted tree.
const FileName = "svcgen.yaml"

// MaxSize is the size in bytes up to which a manifest is read.
const MaxSize = 256 << 10

// Manifest is a svcgen.yaml with defaults filled in.
type Manifest struct {
	File     string // name of the file, as positions spell it
	Source   []byte
	Inferred bool // svcgen wrote it; places in it mean nothing to the user

	Version   int
	Name      string
	Module    string
	Proto     Proto
	Database  string
	Broker    string
	Publishes []Publish
	Consumes  []Consume

	pos map[string]diag.Pos
}

// Proto says which proto files make the service.
type Proto struct {
	Files   []string // relative to an import root; services in them are served
	Imports []string // import roots relative to the manifest; empty means proto if that folder exists, else the manifest's
}

// Publish is an event the service publishes.
type Publish struct {
	Message string // full proto name
	Topic   string
	Key     string   // field path; may be empty
	On      []string // methods whose first stub emits it
}

// Consume is an event the service handles.
type Consume struct {
	Message string
	Topic   string
}

// Pos is where the value at a path such as publishes[0].key was written. For a value that is not there it
// is the place of the nearest thing around it; in an inferred manifest, which the user has not seen, it is none.
func (m *Manifest) Pos(format string, args ...any) diag.Pos {
	if m.Inferred {
		return diag.Pos{}
	}
	path := fmt.Sprintf(format, args...)
	for path != "" {
		if pos, ok := m.pos[path]; ok {
			return pos
		}
		path = parent(path)
	}
	if pos, ok := m.pos[""]; ok {
		return pos
	}
	return diag.Pos{File: m.File}
}

// parent is the path around path: publishes[0] for publishes[0].key.
func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

// Sources is the manifest's text for diagnostics that point into it.
func (m *Manifest) Sources() diag.Sources { return diag.Sources{m.File: m.Source} }

// bind copies decoded values into their fields. Every key of the table must be read here; a test sees to it.
func (m *Manifest) bind(root *value) {
	m.Version = root.integer("version")
	m.Name = root.text("name")
	m.Module = root.text("module")
	m.Proto = Proto{
		Files:   root.get("proto").texts("files"),
		Imports: root.get("proto").texts("imports"),
	}
	m.Database = root.text("database")
	m.Broker = root.text("broker")
	for _, item := range root.items("publishes") {
		m.Publishes = append(m.Publishes, Publish{
			Message: item.text("message"),
			Topic:   item.text("topic"),
			Key:     item.text("key"),
			On:      item.texts("on"),
		})
	}
	for _, item := range root.items("consumes") {
		m.Consumes = append(m.Consumes, Consume{Message: item.text("message"), Topic: item.text("topic")})
	}
}
