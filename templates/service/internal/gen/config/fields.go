package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
)

// Field is one value an operator may set.
type Field struct {
	Key     string // without the prefix: GRPC_ADDR
	Flag    string // grpc-addr
	Default string
	Help    string
	Bool    bool
	Secret  bool // never printed
	File    bool // may come from the file that KEY_FILE names

	goName string
}

// DefaultFor is the default in the service called name: a default may contain {name}.
func (f Field) DefaultFor(name string) string { return strings.ReplaceAll(f.Default, "{name}", name) }

// Fields are all of them.
func Fields() []Field {
	var out []Field
	for _, g := range new(Config).groups() {
		out = append(out, fieldsOf(g)...)
	}
	return out
}

func fieldsOf(group any) []Field {
	var out []Field
	for _, f := range reflect.VisibleFields(reflect.TypeOf(group).Elem()) {
		key, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if key == "" {
			continue
		}
		out = append(out, Field{
			Key: key, Flag: strings.TrimPrefix(flagOf(key), "--"), Default: f.Tag.Get("envDefault"),
			Help: f.Tag.Get("help"), Bool: f.Type.Kind() == reflect.Bool,
			Secret: secret(key), File: secret(key) || strings.HasSuffix(key, "_URL"), goName: f.Name,
		})
	}
	return out
}

// secret goes by the name, so that nobody can forget to mark a password.
func secret(key string) bool {
	return strings.HasSuffix(key, "PASSWORD") || strings.HasSuffix(key, "SECRET") || strings.HasSuffix(key, "TOKEN")
}

// Setting is a value as it may be shown.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Redacted lists every value in force, without secrets: not those marked as such, and no password within a URL
// or data source name.
func (c *Config) Redacted() []Setting {
	var out []Setting
	for _, g := range c.groups() {
		v := reflect.ValueOf(g).Elem()
		for _, f := range fieldsOf(g) {
			value := fmt.Sprint(v.FieldByName(f.goName).Interface())
			switch {
			case value == "":
			case f.Secret:
				value = "[redacted]"
			default:
				value = withoutPassword(value)
			}
			out = append(out, Setting{Name: c.prefix + f.Key, Value: value})
		}
	}
	return out
}

// withoutPassword hides what stands between the colon and the last at sign of user:password@host, and the value
// of a parameter that is called like a secret.
func withoutPassword(s string) string {
	s = regexp.MustCompile(`(^|//)([^:/@\s]*):.*@`).ReplaceAllString(s, "$1$2:[redacted]@")
	return regexp.MustCompile(`(?i)((?:password|passwd|secret|token|sslkey)[a-z_]*\s*=\s*)[^&\s;]+`).ReplaceAllString(s, "${1}[redacted]")
}

// LogValue prints what was set, without secrets; everything else has its default.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range c.Redacted() {
		if c.set[strings.TrimPrefix(s.Name, c.prefix)] {
			attrs = append(attrs, slog.String(s.Name, s.Value))
		}
	}
	if len(attrs) == 0 {
		return slog.StringValue("nothing; all defaults hold")
	}
	return slog.GroupValue(attrs...)
}
