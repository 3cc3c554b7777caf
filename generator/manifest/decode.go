package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/svcgen/svcgen/generator/diag"
)

// value is a decoded part of the manifest. A value that is missing or wrong is the zero value of its type, so
// that bind needs no checks of its own.
type value struct {
	str  string
	num  int
	strs []string
	keys map[string]*value
	list []*value
}

func (v *value) get(name string) *value {
	if v == nil || v.keys[name] == nil {
		return &value{}
	}
	return v.keys[name]
}

func (v *value) text(name string) string    { return v.get(name).str }
func (v *value) texts(name string) []string { return v.get(name).strs }
func (v *value) integer(name string) int    { return v.get(name).num }
func (v *value) items(name string) []*value { return v.get(name).list }

// object decodes a mapping by its keys. usage is how one would write it.
func (d *decoder) object(n *yaml.Node, path string, keys []key, usage string) *value {
	v := &value{keys: make(map[string]*value)}
	if !d.kind(n, path, yaml.MappingNode, "a mapping of keys to values", usage) {
		return v
	}
	d.pos[path] = d.at(n)
	seen := make(map[string]*yaml.Node)
	misspelled := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, child := n.Content[i], n.Content[i+1]
		if !d.plain(name) {
			continue
		}
		if first := seen[name.Value]; first != nil {
			d.list.Add(d.at(name), fmt.Sprintf("it is also on line %d; keep one of them", first.Line), "duplicate key %q", name.Value)
			continue
		}
		seen[name.Value] = name
		k := find(keys, name.Value)
		if k == nil {
			misspelled[d.unknown(name, path, keys)] = true
			continue
		}
		d.pos[join(path, k.name)] = d.at(child)
		v.keys[k.name] = d.value(child, join(path, k.name), *k)
	}
	for _, k := range keys {
		if v.keys[k.name] == nil {
			if k.required && !misspelled[k.name] {
				d.list.Add(d.at(n), "add "+k.usage(), "%s is missing", join(path, k.name))
			}
			v.keys[k.name] = k.fallback()
		}
	}
	return v
}

// value decodes the value of one key.
func (d *decoder) value(n *yaml.Node, path string, k key) *value {
	switch k.kind {
	case object:
		return d.object(n, path, k.keys, k.usage())
	case objects:
		v := &value{}
		for i, item := range d.sequence(n, path, k) {
			v.list = append(v.list, d.object(item, fmt.Sprintf("%s[%d]", path, i), k.keys, "- {"+example(k.keys)+"}"))
		}
		return v
	case texts:
		return &value{strs: d.texts(n, path, k)}
	default:
		return d.scalar(n, path, k)
	}
}

func (d *decoder) texts(n *yaml.Node, path string, k key) []string {
	var list []string
	for i, item := range d.sequence(n, path, k) {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.pos[at] = d.at(item)
		s := d.scalar(item, at, key{name: k.name, kind: text, example: k.example, grammar: k.grammar, form: k.form}).str
		if s != "" && slices.Contains(list, s) {
			d.list.Add(d.at(item), "keep one of them", "%s has %q twice", path, s)
		}
		list = append(list, s)
	}
	return list
}

func (d *decoder) sequence(n *yaml.Node, path string, k key) []*yaml.Node {
	if !d.kind(n, path, yaml.SequenceNode, "a list", k.usage()) {
		return nil
	}
	if len(n.Content) == 0 && k.required {
		d.list.Add(d.at(n), k.usage(), "%s is empty", path)
	}
	return n.Content
}

func (d *decoder) scalar(n *yaml.Node, path string, k key) *value {
	want := "a string"
	if k.kind == integer {
		want = "a number"
	}
	if !d.kind(n, path, yaml.ScalarNode, want, k.usage()) {
		return &value{}
	}
	if len(k.enum) > 0 && !slices.Contains(k.enum, n.Value) {
		hint := diag.DidYouMean(n.Value, k.enum)
		if hint == "" {
			hint = "write " + or(k.enum)
		}
		d.list.Add(d.at(n), hint, "%s is %s, not %q", path, or(k.enum), n.Value)
		return &value{}
	}
	if k.kind == integer {
		num, err := strconv.Atoi(n.Value)
		if err != nil || n.ShortTag() != "!!int" {
			d.list.Add(d.at(n), k.usage(), "%s must be a number, not %s", path, describe(n))
		}
		return &value{num: num}
	}
	switch {
	case n.ShortTag() != "!!str":
		d.list.Add(d.at(n), fmt.Sprintf("quote it: %q", n.Value), "%s must be a string, not %s", path, describe(n))
		return &value{}
	case n.Value == "":
		d.list.Add(d.at(n), k.usage(), "%s is empty", path)
	case k.grammar != nil && !k.grammar.MatchString(n.Value):
		d.list.Add(d.at(n), k.usage(), "%s %s", path, k.form)
		return &value{}
	}
	return &value{str: n.Value}
}

// kind checks that n is of the wanted kind and free of the parts of YAML a manifest has no use for.
func (d *decoder) kind(n *yaml.Node, path string, want yaml.Kind, what, usage string) bool {
	if !d.plain(n) {
		return false
	}
	if n.Kind == want && n.ShortTag() != "!!null" {
		return true
	}
	got := describe(n)
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		d.list.Add(d.at(n), usage, "%s has no value", path)
		return false
	}
	d.list.Add(d.at(n), usage, "%s must be %s, not %s", path, what, got)
	return false
}

// plain refuses anchors, aliases and tags: nothing in a manifest needs them, and an alias can stand for a
// million nodes.
func (d *decoder) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.list.Add(d.at(n), "write the value out", "yaml aliases are not supported here")
	case n.Anchor != "":
		d.list.Add(d.at(n), "remove &"+n.Anchor, "yaml anchors are not supported here")
	case n.Style&yaml.TaggedStyle != 0:
		d.list.Add(d.at(n), "remove "+n.Tag, "yaml tags are not supported here")
	default:
		return true
	}
	return false
}

// unknown reports a key that is not in the table and returns the one that was probably meant, if any.
func (d *decoder) unknown(name *yaml.Node, path string, keys []key) (meant string) {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	meant = diag.Nearest(name.Value, names)
	hint := diag.DidYouMean(name.Value, names)
	if hint == "" {
		hint = "the keys here are " + strings.Join(names, ", ")
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	what := fmt.Sprintf("unknown key %q%s", name.Value, where)
	if name.Kind != yaml.ScalarNode {
		what = "a key must be a plain word" + where
	}
	d.list.Add(d.at(name), hint, "%s", what)
	return meant
}

// describe names what a node is, for "must be a list, not ...".
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the truth value " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	case "!!null":
		return "nothing"
	}
	return fmt.Sprintf("the string %q", n.Value)
}

func find(keys []key, name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

// fallback is the value of a key that is not there.
func (k key) fallback() *value {
	v := &value{str: k.def}
	if k.kind == integer {
		v = &value{}
		if num, err := strconv.Atoi(k.def); err == nil {
			v.num = num
		}
	}
	return v
}

// usage is the key as one would write it: topic: orders.
func (k key) usage() string {
	switch k.kind {
	case object:
		return fmt.Sprintf("%s: {%s}", k.name, example(k.keys))
	case objects:
		return fmt.Sprintf("%s: [{%s}]", k.name, example(k.keys))
	}
	return k.name + ": " + k.example
}

// example is the required keys of a mapping as one would write them.
func example(keys []key) string {
	var parts []string
	for _, k := range keys {
		if k.required {
			parts = append(parts, k.usage())
		}
	}
	return strings.Join(parts, ", ")
}

func or(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
