package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// JSONSchema is the manifest's JSON Schema, for editors. It is draft-07, the newest that yaml-language-server
// understands everywhere.
func JSONSchema() ([]byte, error) {
	root := members{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"title", FileName},
		{"description", "Manifest of a service that svcgen makes."},
	}
	root = append(root, mapping(table())...)
	raw, err := json.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("write json schema: %w", err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return nil, fmt.Errorf("indent json schema: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// members is a JSON object that keeps its order.
type members []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := marshal(e.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", e.name, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is json.Marshal without its escapes for HTML, which grammars and docs would be unreadable with.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// mapping describes a mapping with the given keys.
func mapping(keys []key) members {
	var properties members
	required := []string{}
	for _, k := range keys {
		properties = append(properties, member{k.name, k.schema()})
		if k.required {
			required = append(required, k.name)
		}
	}
	m := members{{"type", "object"}, {"additionalProperties", false}}
	if len(required) > 0 {
		m = append(m, member{"required", required})
	}
	return append(m, member{"properties", properties})
}

// schema describes one key.
func (k key) schema() members {
	m := members{{"description", k.doc}}
	switch k.kind {
	case object:
		return append(m, mapping(k.keys)...)
	case objects:
		return append(m, member{"type", "array"}, member{"items", mapping(k.keys)})
	case texts:
		m = append(m, member{"type", "array"})
		if k.required {
			m = append(m, member{"minItems", 1})
		}
		return append(m, member{"uniqueItems", true}, member{"items", k.stringSchema()})
	case integer:
		return append(m, member{"const", json.Number(k.def)}, member{"default", json.Number(k.def)})
	}
	m = append(m, k.stringSchema()...)
	if k.def != "" {
		m = append(m, member{"default", k.def})
	}
	return m
}

func (k key) stringSchema() members {
	m := members{{"type", "string"}, {"minLength", 1}}
	if len(k.enum) > 0 {
		m = append(m, member{"enum", k.enum})
	}
	if k.grammar != nil {
		m = append(m, member{"pattern", k.grammar.String()})
	}
	return m
}
