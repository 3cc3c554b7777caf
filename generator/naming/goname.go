// Package naming makes names: Go identifiers from proto names exactly as protoc-gen-go makes them, file names that
// no tool gives a meaning, and names unique in a scope. It knows no descriptors and no manifest.
package naming

import (
	"go/token"
	"strings"
	"unicode"
)

// Camel is protoc-gen-go's GoCamelCase: the Go name of a proto name. A dot or an underscore before a lower-case
// letter is dropped and the letter raised; an underscore elsewhere stays, a leading one becomes X.
func Camel(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.' && i+1 < len(s) && isLower(s[i+1]):
			// The letter after the dot is raised below.
		case c == '.':
			b = append(b, '_')
		case c == '_' && (i == 0 || s[i-1] == '.'):
			b = append(b, 'X')
		case c == '_' && i+1 < len(s) && isLower(s[i+1]):
			// The letter after the underscore is raised below.
		case isDigit(c):
			b = append(b, c)
		default:
			if isLower(c) {
				c -= 'a' - 'A'
			}
			b = append(b, c)
			for ; i+1 < len(s) && isLower(s[i+1]); i++ {
				b = append(b, s[i+1])
			}
		}
	}
	return string(b)
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Snake is a Go name in the form of a file name: PlaceOrder is place_order, HTTPServer is http_server.
func Snake(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case r == '_' || r == '-' || r == '.':
			r = '_'
		case unicode.IsUpper(r) && i > 0 && boundary(runes, i):
			b.WriteByte('_')
		}
		if r == '_' && (b.Len() == 0 || strings.HasSuffix(b.String(), "_")) {
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.TrimRight(b.String(), "_")
}

// boundary reports whether a word begins at the upper-case letter i.
func boundary(runes []rune, i int) bool {
	before := runes[i-1]
	if before == '_' || before == '-' || before == '.' {
		return false
	}
	return !unicode.IsUpper(before) || i+1 < len(runes) && unicode.IsLower(runes[i+1])
}

// Package is a name for a Go package made of s: lower case, letters and digits only, a valid identifier that is
// no keyword, no predeclared name and not main.
func Package(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			b.WriteRune(r)
		}
	}
	name := b.String()
	switch {
	case name == "":
		return "pb"
	case isDigit(name[0]):
		return "pb" + name
	case token.IsKeyword(name), Predeclared(name), name == "main", name == "init", name == "documentation": // go ignores files of that package
		return name + "pb"
	}
	return name
}

// Versioned is the conventional name of the Go package of a proto package: ordersv1 for acme.orders.v1,
// payments for acme.payments.
func Versioned(elems []string) string {
	if len(elems) == 0 {
		return "pb"
	}
	last := elems[len(elems)-1]
	if len(elems) > 1 && isVersion(last) {
		return Package(elems[len(elems)-2] + last)
	}
	return Package(last)
}

// isVersion reports whether s is v1, v2beta1 and the like.
func isVersion(s string) bool {
	if len(s) < 2 || s[0] != 'v' || !isDigit(s[1]) {
		return false
	}
	for _, r := range s[1:] {
		if !unicode.IsDigit(r) && !unicode.IsLower(r) {
			return false
		}
	}
	return true
}

// Env is s as the prefix of environment variables: my-orders is MY_ORDERS.
func Env(s string) string {
	return strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(s))
}

// Predeclared reports whether s is declared in Go's universe scope.
func Predeclared(s string) bool {
	switch s {
	case "any", "bool", "byte", "comparable", "complex64", "complex128", "error", "float32", "float64",
		"int", "int8", "int16", "int32", "int64", "rune", "string",
		"uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
		"true", "false", "iota", "nil",
		"append", "cap", "clear", "close", "complex", "copy", "delete", "imag", "len", "make", "max", "min",
		"new", "panic", "print", "println", "real", "recover":
		return true
	}
	return false
}
