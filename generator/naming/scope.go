package naming

import (
	"go/token"
	"strconv"
)

// Scope gives out Go identifiers that are unique in it. The zero value is an empty scope.
type Scope struct{ taken map[string]bool }

// NewScope is a scope in which names are taken already.
func NewScope(names ...string) *Scope {
	s := &Scope{}
	for _, name := range names {
		s.take(name)
	}
	return s
}

func (s *Scope) take(name string) {
	if s.taken == nil {
		s.taken = make(map[string]bool)
	}
	s.taken[name] = true
}

// Free reports whether name is an identifier that Claim would give out unchanged.
func (s *Scope) Free(name string) bool {
	return token.IsIdentifier(name) && !Predeclared(name) && !s.taken[name]
}

// Claim takes the first of the wanted names that is free; if none is, the last one with a number from 2 on.
func (s *Scope) Claim(wanted ...string) string {
	for _, name := range wanted {
		if s.Free(name) {
			s.take(name)
			return name
		}
	}
	last := wanted[len(wanted)-1]
	for i := 2; ; i++ {
		if name := last + strconv.Itoa(i); s.Free(name) {
			s.take(name)
			return name
		}
	}
}
