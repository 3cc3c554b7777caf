package manifest

import (
	"fmt"
	"strings"
)

// Markdown is the reference of the manifest's keys, docs/manifest.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# The manifest\n\n")
	b.WriteString("`" + FileName + "` says what svcgen makes a service of. It is strict: an unknown key, a wrong type, a duplicate or a\n")
	b.WriteString("name that does not exist is an error that points at its line. `svcgen schema` prints a JSON Schema for editors.\n\n")
	b.WriteString("```yaml\n")
	for _, k := range table() {
		for _, line := range k.full("") {
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("```\n\n")
	b.WriteString("| key | type | default | |\n|---|---|---|---|\n")
	rows(&b, table(), "")
	return b.String()
}

// full is the key with every example of the table, in lines.
func (k key) full(indent string) []string {
	if k.kind != object {
		var lines []string
		for _, line := range k.sample() {
			lines = append(lines, indent+line)
		}
		return lines
	}
	lines := []string{indent + k.name + ":"}
	for _, child := range k.keys {
		lines = append(lines, child.full(indent+"  ")...)
	}
	return lines
}

func rows(b *strings.Builder, keys []key, prefix string) {
	for _, k := range keys {
		doc := k.doc
		if k.form != "" {
			doc += " It " + k.form + "."
			if k.kind == texts {
				doc = k.doc + " Each " + k.form + "."
			}
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", prefix, k.name, k.typeDoc(), k.defaultDoc(), doc)
		switch k.kind {
		case object:
			rows(b, k.keys, prefix+k.name+".")
		case objects:
			rows(b, k.keys, prefix+k.name+"[].")
		}
	}
}

func (k key) typeDoc() string {
	switch {
	case len(k.enum) > 0:
		return "`" + strings.Join(k.enum, "`, `") + "`"
	case k.kind == object:
		return "mapping"
	case k.kind == objects:
		return "list of mappings"
	case k.kind == texts:
		return "list of strings"
	}
	return "string"
}

func (k key) defaultDoc() string {
	switch {
	case k.required:
		return "required"
	case k.defDoc != "":
		return k.defDoc
	case k.def != "":
		return "`" + k.def + "`"
	}
	return "none"
}
