package ir

import (
	"strings"

	"github.com/svcgen/svcgen/generator/naming"
)

// Names are what a service has called things so far. What has a name keeps it, whatever comes beside it, goes, or stands
// before it in a list: behind the name there is code of the user's.
type Names struct {
	Types    map[string]string // the user's types, by the full names of their services
	Handlers map[string]string // the methods that take consumed events, by the full names of those or, failing that, by Key
	Events   map[string]string // the functions that publish, by the full names of messages; empty: called as the message is
	Left     map[string]bool   // types and handlers whose code gets another name in this run: what is new cannot be called like that
}

// Key is the name of a Go type in Names, which is the same when the module has another path.
func (t TypeRef) Key(module string) string { return KeyOf(module, t.Import.Path, t.Name) }

// KeyOf is TypeRef.Key for a type of that import path.
func KeyOf(module, importPath, name string) string {
	return strings.TrimPrefix(importPath, module+"/") + "." + name
}

// keepFirst calls claim for all of list: first for what has a name already, with that, and then for the others, which get none
// of those that are left.
func keepFirst[T any](scope *naming.Scope, left map[string]bool, list []T, name func(T) string, claim func(one T, kept []string)) {
	for _, has := range []bool{true, false} {
		for old := range left {
			if !has && scope.Free(old) {
				scope.Claim(old)
			}
		}
		for _, one := range list {
			if kept := name(one); has && kept != "" {
				claim(one, []string{kept})
			} else if !has && kept == "" {
				claim(one, nil)
			}
		}
	}
}
