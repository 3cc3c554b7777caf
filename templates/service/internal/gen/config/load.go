package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Source is where values come from.
type Source struct {
	Name    string            // sample; stands for {name} in defaults
	Prefix  string            // SAMPLE_
	Environ []string          // as os.Environ returns it
	Flags   map[string]string // by key; they win over the environment
	Client  bool              // read only what it takes to reach the running service
}

// Load reads and checks a Config.
func Load(src Source) (*Config, error) {
	c := &Config{prefix: src.Prefix, set: map[string]bool{}}
	fields := Fields()
	values := map[string]string{}
	for _, kv := range src.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, src.Prefix) {
			values[k] = v
		}
	}
	for key, v := range src.Flags {
		values[src.Prefix+key] = v
	}
	groups := c.groups()
	if src.Client {
		groups = groups[:clientGroups]
	}
	problems := c.readSecrets(groups, values)
	for _, f := range fields {
		var value string
		value, c.set[f.Key] = values[src.Prefix+f.Key]
		if value == "" && strings.Contains(f.Default, "{") { // env gives what is empty the default as it stands in the tag
			values[src.Prefix+f.Key] = f.DefaultFor(src.Name)
		}
	}
	for _, g := range groups {
		problems = append(problems, c.parse(g, values)...)
	}
	if len(problems) == 0 {
		problems = c.check(groups)
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return nil, errors.New("configuration:\n  " + strings.Join(problems, "\n  "))
	}
	c.unknown = unknown(src.Prefix, fields, values)
	return c, nil
}

// readSecrets resolves X_FILE for every secret X: the file's content is the value. Orchestrators hand out secrets
// as files, which unlike variables do not show up in process listings and crash dumps.
func (c *Config) readSecrets(groups []any, values map[string]string) []string {
	var fields []Field
	for _, g := range groups {
		fields = append(fields, fieldsOf(g)...)
	}
	var problems []string
	for _, f := range fields {
		path, ok := values[c.prefix+f.Key+"_FILE"]
		own := slices.ContainsFunc(fields, func(o Field) bool { return o.Key == f.Key+"_FILE" })
		if !ok || !f.File || own { // own: the package reads that file itself
			continue
		}
		delete(values, c.prefix+f.Key+"_FILE")
		if _, both := values[c.prefix+f.Key]; both {
			problems = append(problems, fmt.Sprintf("%s: set it or %s_FILE, not both", c.Name(f.Key), c.prefix+f.Key))
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s_FILE: %v", c.prefix+f.Key, err))
			continue
		}
		values[c.prefix+f.Key] = strings.TrimRight(string(content), "\r\n")
	}
	return problems
}

// parse fills one part. Its errors name Go fields, which are unique within a part: they are told by variable.
func (c *Config) parse(group any, values map[string]string) []string {
	err := env.ParseWithOptions(group, env.Options{Environment: values, Prefix: c.prefix})
	if err == nil {
		return nil
	}
	keys := map[string]string{}
	secret := map[string]bool{}
	for _, f := range fieldsOf(group) {
		keys[f.goName], secret[f.goName] = f.Key, f.Secret
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	var problems []string
	for _, e := range all.Errors {
		var (
			unset env.VarIsNotSetError
			empty env.EmptyVarError
			bad   env.ParseError
		)
		switch {
		case errors.As(e, &unset):
			problems = append(problems, c.Name(strings.TrimPrefix(unset.Key, c.prefix))+": must be set")
			continue
		case errors.As(e, &empty):
			problems = append(problems, c.Name(strings.TrimPrefix(empty.Key, c.prefix))+": must not be empty")
			continue
		case !errors.As(e, &bad):
			problems = append(problems, e.Error())
			continue
		}
		key := keys[bad.Name]
		given := fmt.Sprintf("%q", values[c.prefix+key])
		if secret[bad.Name] {
			given = "what it is"
		}
		problems = append(problems, fmt.Sprintf("%s: must be %s, not %s", c.Name(key), kind(bad.Type), given))
	}
	return problems
}

// unknown finds variables behind the prefix that nothing reads: most likely misspelt.
func unknown(prefix string, fields []Field, values map[string]string) []string {
	known := map[string]bool{}
	for _, f := range fields {
		known[prefix+f.Key] = true
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !known[name] {
			out = append(out, name)
		}
	}
	return out
}

// kind names a type for people.
func kind(t reflect.Type) string {
	switch t.String() {
	case "time.Duration":
		return "a duration such as 500ms or 10s"
	case "slog.Level":
		return "a level (debug, info, warn, error)"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return t.String()
	}
}
