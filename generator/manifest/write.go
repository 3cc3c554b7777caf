package manifest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Write is m as a commented svcgen.yaml that Load reads back as m. It is what a user gets who came with a proto
// only, so every top-level key is there: set, or as a comment that shows how to.
func Write(m *Manifest) []byte {
	var b bytes.Buffer
	b.WriteString("# What svcgen makes this service of. Every key is described in docs/manifest.md of svcgen;\n")
	b.WriteString("# svcgen schema prints a JSON Schema of this file for your editor.\n")
	values := m.values()
	for _, k := range table() {
		b.WriteByte('\n')
		k.write(&b, values[k.name])
	}
	return b.Bytes()
}

// values are the manifest's values by key, as Write takes them: a string, a list or a list of mappings.
func (m *Manifest) values() map[string]any {
	var publishes, consumes []map[string]any
	for _, p := range m.Publishes {
		publishes = append(publishes, map[string]any{"message": p.Message, "topic": p.Topic, "key": p.Key, "on": p.On})
	}
	for _, c := range m.Consumes {
		consumes = append(consumes, map[string]any{"message": c.Message, "topic": c.Topic})
	}
	return map[string]any{
		"version":   fmt.Sprint(m.Version),
		"name":      m.Name,
		"module":    m.Module,
		"proto":     map[string]any{"files": m.Proto.Files, "imports": m.Proto.Imports},
		"database":  m.Database,
		"broker":    m.Broker,
		"publishes": publishes,
		"consumes":  consumes,
	}
}

// write prints a top-level key: its doc, then its value, or an example behind # where it has none.
func (k key) write(b *bytes.Buffer, v any) {
	doc := k.doc
	switch {
	case len(k.enum) > 1:
		doc += " One of " + strings.Join(k.enum, ", ") + "."
	case k.kind == objects && isEmpty(v):
		doc += " For example:"
	}
	for _, line := range wrap(doc, 100) {
		fmt.Fprintf(b, "# %s\n", line)
	}
	if isEmpty(v) {
		for _, line := range k.sample() {
			fmt.Fprintf(b, "#%s\n", line)
		}
		return
	}
	switch v := v.(type) {
	case string:
		fmt.Fprintf(b, "%s: %s\n", k.name, k.scalar(v))
	case map[string]any:
		fmt.Fprintf(b, "%s:\n", k.name)
		for _, child := range k.keys {
			child.field(b, "  ", v[child.name])
		}
	case []map[string]any:
		fmt.Fprintf(b, "%s:\n", k.name)
		for _, item := range v {
			indent := "  - "
			for _, child := range k.keys {
				if child.field(b, indent, item[child.name]) {
					indent = "    "
				}
			}
		}
	}
}

// field prints a key of a mapping, if it has a value.
func (k key) field(b *bytes.Buffer, indent string, v any) bool {
	switch v := v.(type) {
	case string:
		if v == "" {
			return false
		}
		fmt.Fprintf(b, "%s%s: %s\n", indent, k.name, k.scalar(v))
	case []string:
		if len(v) == 0 {
			return false
		}
		quoted := make([]string, len(v))
		for i := range v {
			quoted[i] = k.scalar(v[i])
		}
		fmt.Fprintf(b, "%s%s: [%s]\n", indent, k.name, strings.Join(quoted, ", "))
	}
	return true
}

// sample is the key with the examples of the table, in lines.
func (k key) sample() []string {
	lines := []string{k.name + ":"}
	indent := "  - "
	for _, child := range k.keys {
		lines = append(lines, indent+child.usage())
		indent = "    "
	}
	if len(k.keys) == 0 {
		return []string{k.usage()}
	}
	return lines
}

func (k key) scalar(s string) string {
	if k.kind == integer {
		return s
	}
	return scalar(s)
}

// scalar is s as a YAML scalar: plain where that cannot be read as anything else, else in double quotes.
func scalar(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._/-", r))
	})
	first := s != "" && ('a' <= s[0] && s[0] <= 'z' || 'A' <= s[0] && s[0] <= 'Z')
	word := slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s))
	if plain && first && !word {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == 0x85 || r == 0xfeff || 0x2028 <= r && r <= 0x2029 || 0x80 <= r && r < 0xa0:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []map[string]any:
		return len(v) == 0
	}
	return v == nil
}

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
