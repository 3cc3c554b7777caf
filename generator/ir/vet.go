package ir

import (
	"slices"

	"github.com/svcgen/svcgen/generator/naming"
)

// ofGo are the methods whose names alone make go vet expect the signature they have in the standard library, which no RPC has.
// Others, such as WriteTo, it takes for those only if a parameter is theirs, too.
func ofGo() []string {
	return []string{
		"GobDecode", "GobEncode", "MarshalJSON", "MarshalXML", "ReadByte", "ReadRune", "UnmarshalJSON", "UnmarshalXML", "UnreadByte", "UnreadRune", "WriteByte",
	}
}

// vetFlags warns of the RPCs that go vet takes for such a method, and leaves that check of it out. Nothing that emitted code could say
// would silence it but another name, and the name is the contract's.
func (r *resolver) vetFlags() (flags string) {
	for _, f := range r.schema.Files {
		if f.Known != nil {
			continue
		}
		for i := range f.Names.Services().Len() {
			methods := f.Names.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				if name := naming.Camel(string(m.Name())); slices.Contains(ofGo(), name) {
					flags = "-stdmethods=false "
					r.list.Warn(r.schema.Pos(m), "rename it, or run go vet -stdmethods=false ./... as the emitted Makefile and CI do",
						"go vet takes method %s for the one of Go's standard library, and complains of its signature", name)
				}
			}
		}
	}
	return flags
}
