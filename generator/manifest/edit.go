package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// WithImports is the source of m with proto.imports set to the given roots. Only the bytes of that value change, or a
// line is added where there was none, so that comments and layout survive. The result is read again as a check.
func (m *Manifest) WithImports(roots []string) ([]byte, error) {
	if slices.Equal(roots, m.Proto.Imports) {
		return m.Source, nil
	}
	var doc yaml.Node
	if err := yaml.Load(m.Source, &doc); err != nil {
		return nil, fmt.Errorf("read manifest again: %w", err)
	}
	proto := child(doc.Content[0], "proto")
	quoted := make([]string, len(roots))
	for i := range roots {
		quoted[i] = scalar(roots[i])
	}
	list := "[" + strings.Join(quoted, ", ") + "]"
	edited := m.replaceImports(proto, quoted)
	again, err := Load(m.File, edited)
	if err != nil || !slices.Equal(again.Proto.Imports, roots) {
		return nil, errors.New("proto.imports cannot be rewritten in this layout; write it as a list in one line: imports: " + list)
	}
	return edited, nil
}

// replaceImports puts the roots where proto.imports is, in its style, or in front of the first key of proto.
func (m *Manifest) replaceImports(proto *yaml.Node, roots []string) []byte {
	eol := "\n"
	if bytes.Contains(m.Source, []byte("\r\n")) {
		eol = "\r\n"
	}
	list := "[" + strings.Join(roots, ", ") + "]"
	if imports := child(proto, "imports"); imports != nil {
		if imports.Style&yaml.FlowStyle == 0 {
			list = "- " + strings.Join(roots, eol+strings.Repeat(" ", imports.Column-1)+"- ")
		}
		return splice(m.Source, m.offset(imports), m.end(imports), list)
	}
	first := proto.Content[0]
	start := m.offset(first)
	if proto.Style&yaml.FlowStyle != 0 {
		return splice(m.Source, start, start, "imports: "+list+", ")
	}
	return splice(m.Source, start, start, "imports: "+list+eol+strings.Repeat(" ", first.Column-1))
}

// end is the offset behind a list: behind its bracket, or behind its last item.
func (m *Manifest) end(list *yaml.Node) int {
	end := m.offset(list)
	if len(list.Content) == 0 {
		return end + bytes.IndexByte(m.Source[end:], ']') + 1
	}
	last := list.Content[len(list.Content)-1]
	end = m.offset(last)
	switch rest := m.Source[end:]; {
	case last.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		end += closing(rest)
	case list.Style&yaml.FlowStyle != 0:
		end += bytes.IndexAny(rest, ",]\r\n")
	default:
		text, _, _ := bytes.Cut(rest, []byte{'\n'})
		text, _, _ = bytes.Cut(text, []byte(" #"))
		end += len(bytes.TrimRight(text, " \t\r"))
	}
	if list.Style&yaml.FlowStyle != 0 {
		end += bytes.IndexByte(m.Source[end:], ']') + 1
	}
	return end
}

// closing is the offset behind the quote that closes the scalar s begins with.
func closing(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[0] == '\'' && s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// offset is where a node begins in the source.
func (m *Manifest) offset(n *yaml.Node) int {
	offset := 0
	for line := 1; line < n.Line; line++ {
		offset += bytes.IndexByte(m.Source[offset:], '\n') + 1
	}
	if n.Line == 1 && bytes.HasPrefix(m.Source, []byte("\ufeff")) {
		offset += len("\ufeff")
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(m.Source[offset:])
		offset += size
	}
	return offset
}

func splice(src []byte, start, end int, text string) []byte {
	return slices.Concat(src[:start], []byte(text), src[end:])
}

func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
