package naming

import (
	"fmt"
	"go/build"
	"hash/fnv"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
)

// maxBase is the length up to which a file name is made; with a suffix such as _grpc.pb.go it fits every file system.
const maxBase = 200

// GoFile is a base name, without .go, for a Go file made of s, to which the go command and file systems give no
// meaning: no leading dot, hyphen or underscore, no GOOS, GOARCH or test suffix, no device of Windows, not too long.
// A name that has one gets the suffix.
func GoFile(s, suffix string) string {
	s = strings.TrimLeft(clean(s), "._-")
	if s == "" {
		s = suffix
	}
	if len(s) > maxBase {
		s = fmt.Sprintf("%s_%08x", s[:maxBase-9], hash(s))
	}
	if special(s) {
		s += "_" + suffix
	}
	return s
}

func hash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // a hash never fails
	return h.Sum32()
}

// clean replaces what is no letter, digit, hyphen, dot or underscore: other bytes are legal in proto file names
// and trouble in shells, archives and import paths.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (isLower(byte(r)) || isDigit(byte(r)) || 'A' <= r && r <= 'Z' || r == '-' || r == '_' || r == '.') {
			return r
		}
		return '_'
	}, s)
}

// special reports whether the go command or Windows gives the file name s.go a meaning.
func special(s string) bool {
	stem, _, _ := strings.Cut(s, ".")
	return Device(stem) || strings.HasSuffix(stem, "_test") || constrained(stem)
}

// constrained reports whether the go command takes the end of a file name for an operating system or an
// architecture. Only the last word matters.
func constrained(stem string) bool {
	i := strings.LastIndexByte(stem, '_')
	if i < 0 {
		return false
	}
	word := stem[i:]
	known, ok := platforms.Load(word)
	if !ok {
		known = platform(word)
		platforms.Store(word, known)
	}
	return known == true
}

// platforms are the last words of file names, and whether they stand for an operating system or an architecture.
var platforms sync.Map

// platform asks the go command about a word, on a platform that does not exist.
func platform(word string) bool {
	nowhere := build.Context{
		GOOS: "none", GOARCH: "none", Compiler: "gc",
		OpenFile: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("package p\n")), nil },
	}
	match, err := nowhere.MatchFile("", "x"+word+".go")
	return err != nil || !match
}

// Device reports whether Windows takes s, in any case, for a device.
func Device(s string) bool {
	s = strings.ToLower(s)
	switch s {
	case "con", "prn", "aux", "nul", "conin$", "conout$":
		return true
	}
	return len(s) == 4 && (s[:3] == "com" || s[:3] == "lpt") && isDigit(s[3]) && s[3] != '0'
}

// Elem is an element of a Go import path made of s: one that the go command neither ignores nor restricts nor takes for a flag.
func Elem(s string) string {
	s = strings.Trim(clean(s), ".")
	switch {
	case s == "":
		return "pb"
	case s[0] == '_', s[0] == '-':
		return "x" + s
	case s == "internal" || s == "vendor" || s == "testdata" || Device(s):
		return s + "_"
	}
	return s
}

// Files gives out file names that stay apart on a file system that ignores case. The zero value has given out none.
type Files struct{ taken map[string]bool }

// Claim is the first of the wanted names that is free; if none is, the last one with a number before its
// extension ext, which may be empty.
func (f *Files) Claim(ext string, wanted ...string) string {
	if f.taken == nil {
		f.taken = make(map[string]bool)
	}
	name := wanted[len(wanted)-1]
	base := strings.TrimSuffix(name, ext)
	for i := 0; ; i++ {
		if i < len(wanted) {
			name = wanted[i]
		} else {
			name = base + strconv.Itoa(i-len(wanted)+2) + ext
		}
		if key := strings.ToLower(name); !f.taken[key] {
			f.taken[key] = true
			return name
		}
	}
}

// Stem is the base name of a path without its extension.
func Stem(p string) string {
	return strings.TrimSuffix(path.Base(p), path.Ext(p))
}
