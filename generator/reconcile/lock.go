package reconcile

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/mod/semver"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
)

// LockName is the file that remembers what svcgen last wrote.
const LockName = "svcgen.lock"

// lockFormat is the newest format this package reads, and the one it writes.
const lockFormat = 1

// none stands for a hash where svcgen wrote nothing: an input that does not exist, a file that was there already.
const none = "-"

// Lock is svcgen.lock: one line a fact, sorted, so that two branches that both regenerated merge line by line.
// Where git could not merge them, or kept the lines of both, a file may have the hash of either.
type Lock struct {
	Version string // of the svcgen that wrote the tree
	Inputs  []Input
	Files   map[string]Entry

	unmerged bool // it has conflict markers, or the lines of both sides
}

// Input is a file the tree was made from. Hash is empty for a path that was looked at and is not there: once it
// is, the tree may have to be made from it.
type Input struct{ Path, Hash string }

// Entry is what the lock knows of one emitted file.
type Entry struct {
	Owner  fileset.Owner
	Hashes []string // what svcgen last rendered; empty for a file that was the user's from the start

	Variant string // fileset.File.Variant
}

// resting is the variant of a file that was merged, has edits, and is not planned for now. When it is planned again, that is merged
// with what it was.
const resting = "unplanned"

// ParseLock reads svcgen.lock.
func ParseLock(text []byte) (Lock, error) {
	lock := Lock{Files: map[string]Entry{}}
	inputs := map[string]bool{}
	format := 0
	for i, line := range strings.Split(string(text), "\n") {
		fail := func(message, hint string) (Lock, error) {
			pos := diag.Pos{File: LockName, Line: i + 1, Col: 1}
			return Lock{}, diag.List{{Pos: pos, Message: message, Hint: hint}}
		}
		line = strings.TrimSuffix(line, "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		if diag.MarkerOf([]byte(line)) != diag.NoMarker {
			lock.unmerged = true
			continue
		}
		key, rest, _ := strings.Cut(line, " ")
		switch key {
		case "format":
			n, err := strconv.Atoi(rest)
			if err != nil || n < 1 {
				return fail("the format is not a number", "restore svcgen.lock from version control")
			}
			if n > lockFormat {
				return fail(fmt.Sprintf("format %d is newer than this svcgen, which reads up to %d", n, lockFormat), "update svcgen")
			}
			format = n
		case "svcgen":
			lock.unmerged = lock.unmerged || lock.Version != ""
			if lock.Version == "" || Newer(rest, lock.Version) {
				lock.Version = rest
			}
		case "input", "file":
			if !lock.parse(key, rest) {
				return fail("cannot read this line", "restore svcgen.lock from version control")
			}
			if key == "input" {
				name := lock.Inputs[len(lock.Inputs)-1].Path
				lock.unmerged = lock.unmerged || inputs[name]
				inputs[name] = true
			}
		default:
			return fail("cannot read this line", "restore svcgen.lock from version control")
		}
	}
	if format == 0 {
		return Lock{}, diag.List{{Pos: diag.Pos{File: LockName, Line: 1, Col: 1}, Message: "the format line is missing", Hint: "restore svcgen.lock from version control"}}
	}
	return lock, nil
}

func (l *Lock) parse(key, rest string) bool {
	first, rest, _ := strings.Cut(rest, " ")
	if key == "input" {
		path, ok := unquotePath(rest)
		l.Inputs = append(l.Inputs, Input{Path: path, Hash: strings.TrimPrefix(first, none)})
		return ok
	}
	hash, rest, _ := strings.Cut(rest, " ")
	path, ok := unquotePath(rest)
	first, variant, _ := strings.Cut(first, "/")
	owner := fileset.Owner(first)
	if !ok || owner != fileset.Svcgen && owner != fileset.User && owner != fileset.Merged {
		return false
	}
	if !fs.ValidPath(path) || strings.ContainsRune(path, 0) || hash != none && strings.Trim(hash, "0123456789abcdef") != "" {
		return false // the one is a file of the tree, the other becomes the name of one
	}
	entry := Entry{Owner: owner, Hashes: l.Files[path].Hashes, Variant: variant}
	if _, twice := l.Files[path]; twice {
		l.unmerged = true
	}
	if hash != none && !slices.Contains(entry.Hashes, hash) {
		entry.Hashes = append(entry.Hashes, hash)
	}
	l.Files[path] = entry
	return true
}

// origin is the part of the lock that says what the tree was made from, and by which svcgen.
func (l Lock) origin() string {
	var b strings.Builder
	b.WriteString("# What svcgen last wrote here, and what from. Commit it; svcgen regen keeps it current.\n")
	fmt.Fprintf(&b, "format %d\nsvcgen %s\n", lockFormat, l.Version)
	inputs := slices.SortedFunc(slices.Values(l.Inputs), func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	for _, in := range inputs {
		fmt.Fprintf(&b, "input %s %s\n", cmp.Or(in.Hash, none), quotePath(in.Path))
	}
	return b.String()
}

// Format prints the lock.
func (l Lock) Format() []byte {
	var b strings.Builder
	b.WriteString(l.origin())
	for _, path := range slices.Sorted(maps.Keys(l.Files)) {
		entry := l.Files[path]
		hash := none
		if len(entry.Hashes) > 0 {
			hash = entry.Hashes[0]
		}
		owner := string(entry.Owner)
		if entry.Variant != "" {
			owner += "/" + entry.Variant
		}
		b.WriteString("file " + owner + " " + hash + " " + quotePath(path) + "\n")
	}
	return []byte(b.String())
}

// A path that could be taken for something else is quoted.
func quotePath(path string) string {
	if strings.HasPrefix(path, `"`) || strings.ContainsFunc(path, unicode.IsControl) {
		return strconv.Quote(path)
	}
	return path
}

func unquotePath(s string) (string, bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, s != ""
	}
	path, err := strconv.Unquote(s)
	return path, err == nil && path != ""
}

// Newer reports whether version a is newer than b. What is not a version, such as a development build, is neither
// newer nor older.
func Newer(a, b string) bool {
	return semver.IsValid(a) && semver.IsValid(b) && semver.Compare(a, b) > 0
}
