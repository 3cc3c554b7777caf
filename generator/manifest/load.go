package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/svcgen/svcgen/generator/diag"
)

// Load reads the manifest src, which positions call file. Its error is a diag.List with every mistake in it.
func Load(file string, src []byte) (*Manifest, error) {
	m := &Manifest{File: file, Source: src}
	d := decoder{file: file, pos: make(map[string]diag.Pos)}
	if node := d.parse(src); node != nil {
		root := d.object(node, "", table(), "")
		m.bind(root)
	}
	m.pos = d.pos
	if err := m.Sources().Finish(d.list).Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// decoder turns YAML nodes into values by the table and collects what is wrong.
type decoder struct {
	file string
	pos  map[string]diag.Pos // path → place
	list diag.List
}

// parse is the root mapping of src, or nil after a diagnostic.
func (d *decoder) parse(src []byte) *yaml.Node {
	start := diag.Pos{File: d.file, Line: 1, Col: 1}
	if len(src) > MaxSize {
		d.list.AddLimit(diag.Pos{File: d.file}, "manifest is larger than %d KiB", MaxSize>>10)
		return nil
	}
	if i := diag.NotText(src); i >= 0 {
		d.list.Add(diag.At(d.file, src, i), "save the file as UTF-8", "this byte is not UTF-8 text")
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		d.list.Add(start, "", "read yaml: %v", err)
		return nil
	}
	var doc, more yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		d.list.Add(start, "start with name, module and proto; see docs/manifest.md", "manifest is empty")
		return nil
	case err != nil:
		d.syntax(src, err)
		return nil
	}
	switch err := loader.Load(&more); {
	case err == nil:
		d.list.Add(d.at(&more), "keep one document, without ---, in the file", "second yaml document in the manifest")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(src, err)
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		d.list.Add(start, "start with name, module and proto; see docs/manifest.md", "manifest is not a mapping of keys to values")
		return nil
	}
	return doc.Content[0]
}

// syntax reports what the YAML parser refused. An unclosed bracket or quote is reported where it opens.
func (d *decoder) syntax(src []byte, err error) {
	if unmerged, ok := diag.Unmerged(d.file, src); ok {
		d.list = append(d.list, unmerged)
		return
	}
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		d.list.Add(diag.Pos{File: d.file, Line: 1, Col: 1}, "", "yaml: %s", firstLine(err.Error()))
		return
	}
	msg, mark := load.Message, load.Mark
	if load.ContextMark.Line > 0 && strings.HasPrefix(load.ContextMsg, "while ") {
		mark = load.ContextMark
		msg = strings.TrimPrefix(load.ContextMsg, "while ") + ": " + msg
	}
	pos := diag.Pos{File: d.file, Line: mark.Line, Col: mark.Column}
	if mark.Line == 0 {
		pos = diag.At(d.file, src, mark.Index)
	}
	hint := ""
	switch {
	case load.Message == "found character that cannot start any token" && bytes.Contains(src, []byte{'\t'}):
		hint = "indent with spaces; yaml does not allow tabs"
	case load.Message == "could not find expected ':'", load.Message == "mapping values are not allowed in this context":
		hint = "write a space behind a key's colon, and quote a value that has a colon in it"
	case load.Message == "found incompatible YAML document":
		hint = "remove the line"
	}
	d.list.Add(pos, hint, "yaml: %s", firstLine(msg))
}

func (d *decoder) at(n *yaml.Node) diag.Pos {
	return diag.Pos{File: d.file, Line: n.Line, Col: n.Column}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// join is the path of a key inside a mapping.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return fmt.Sprintf("%s.%s", path, name)
}
