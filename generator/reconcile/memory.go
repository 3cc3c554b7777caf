package reconcile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/svcgen/svcgen/generator/fileset"
)

// What this machine knows of the tree, and nobody else: .svcgen/.gitignore has it. Without it svcgen reads more.
const (
	memoryName   = stateDir + "/local"
	memoryFormat = "svcgen local 3"
	freshSuffix  = ".new" // of the next one, until it is whole
	compiledName = stateDir + "/compiled"
)

// Program is the svcgen at work. Two builds of a development version may differ, so these are told apart by the bytes
// of their executable; one without is like no other.
type Program struct {
	Version     string
	Development bool
	Executable  string
}

// memory is the content of .svcgen/local: how the files looked when they were last read.
type memory struct {
	seen     time.Time // by the clock of the file system, before any of the files was looked at
	program  sight     // the development build that last left nothing to do
	lock     string    // the hash svcgen.lock had then
	files    map[string]sight
	compiled string // the hash of .svcgen/compiled
	madeBy   string // the svcgen that made what is noted in made, and what is in .svcgen/compiled
	rest     string // what only a run reads that has something to do: the user's files, and the notes of Made

	notes map[string]note // of what was made, by the key of what it was made from
}

// sight is a file as it was seen: while size and time are the same, so is the hash.
type sight struct {
	size int64
	time time.Time
	hash string
	path string
}

// still reports whether the file that info describes has the hash of s, as far as that shows without reading it.
func (m memory) still(s sight, info fs.FileInfo) bool {
	return s.hash != "" && info.Mode().IsRegular() && info.Size() == s.size && info.ModTime().Equal(s.time) && m.settled(s.time)
}

// settled reports whether a file last changed at t could not change again after it was looked at without t changing:
// a change within the same tick of the file system's clock does not show. Git calls the others racy.
func (m memory) settled(t time.Time) bool {
	tick := 20 * time.Millisecond // twice the slowest kernel's
	if t.Nanosecond() == 0 {
		tick = 2 * time.Second // a file system that has whole seconds, or two
	}
	return t.Add(tick).Before(m.seen)
}

// memory reads .svcgen/local, once. One that cannot be read is empty.
func (t *Tree) memory() memory {
	if t.known != nil {
		return *t.known
	}
	t.known = &memory{files: map[string]sight{}}
	f, err := t.look(memoryName)
	if err != nil || !f.regular {
		return *t.known
	}
	if m, ok := parseMemory(string(f.content)); ok {
		t.known = &m
	}
	return *t.known
}

// wholeMemory is memory with what it has of the user's files and of Made.
func (t *Tree) wholeMemory() memory {
	t.memory()
	t.known.readRest()
	return *t.known
}

func parseMemory(text string) (memory, bool) {
	m := memory{files: map[string]sight{}}
	text, ok := strings.CutPrefix(text, memoryFormat+"\n")
	if !ok || !strings.HasSuffix(text, "\n") { // it is none, or was cut off within a line
		return m, false
	}
	text, rest, _ := strings.Cut(text, "\n"+madeLine)
	m.madeBy, m.rest, _ = strings.Cut(rest, "\n")
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		ok := true
		switch key {
		case "seen":
			m.seen, ok = parseTime(rest)
		case "lock":
			m.lock = rest
		case "program":
			m.program, ok = parseSight(rest)
		case "compiled":
			m.compiled = rest
		case "file":
			var s sight
			s, ok = parseSight(rest)
			m.files[s.path] = s
		default:
			return m, false
		}
		if !ok {
			return m, false
		}
	}
	return m, !m.seen.IsZero()
}

func parseTime(text string) (time.Time, bool) {
	ns, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(0, ns), err == nil
}

func parseSight(text string) (sight, bool) {
	fields := strings.SplitN(text, " ", 4)
	if len(fields) != 4 {
		return sight{}, false
	}
	size, err := strconv.ParseInt(fields[0], 10, 64)
	at, ok := parseTime(fields[1])
	name, named := unquotePath(fields[3])
	return sight{size, at, fields[2], name}, err == nil && ok && named
}

func (m memory) format() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nseen %d\n", memoryFormat, m.seen.UnixNano())
	line := func(key string, s sight) { b.WriteString(key + " " + s.format() + "\n") }
	if m.program.hash != "" {
		fmt.Fprintf(&b, "lock %s\n", m.lock)
		line("program", m.program)
	}
	if m.compiled != "" {
		fmt.Fprintf(&b, "compiled %s\n", m.compiled)
	}
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		line("file", m.files[name])
	}
	fmt.Fprintf(&b, "%s%s\n%s", madeLine, m.madeBy, m.rest)
	return []byte(b.String())
}

func (s sight) format() string {
	return strconv.FormatInt(s.size, 10) + " " + strconv.FormatInt(s.time.UnixNano(), 10) + " " + s.hash + " " + quotePath(s.path)
}

// madeLine stands before the rest, which goes on to the end.
const madeLine = "made by "

// readRest reads what rest has, once. A line that cannot be read says nothing.
func (m *memory) readRest() {
	if m.notes != nil {
		return
	}
	m.notes = map[string]note{}
	for line := range strings.Lines(m.rest) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "yours":
			if s, ok := parseSight(rest); ok {
				m.files[s.path] = s
			}
		case "made":
			if n, ok := parseNote(rest); ok {
				m.notes[n.key] = n
			}
		}
	}
}

// restOf is the rest of a memory: how the user's files looked, and the notes on what of set took long to make.
func restOf(set *fileset.Set, lock Lock, yours map[string]sight) string {
	var b strings.Builder
	for _, f := range set.Files() {
		if f.Key != "" {
			b.WriteString("made " + noteOf(f, lock).format() + "\n")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(yours)) {
		b.WriteString("yours " + yours[name].format() + "\n")
	}
	return b.String()
}

// Remember notes how the tree looks now that p has left nothing to do in it, so that the next run need not read it
// all, what of set took long to make, and what the protos were compiled to. It changes no file of the service, and only makes the next run
// faster: where it fails, nothing is lost.
func (t *Tree) Remember(p Program, set *fileset.Set, compiled []byte) (err error) {
	if err := t.root.MkdirAll(stateDir, 0o777); err != nil {
		return err
	}
	release, err := t.acquire()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if interrupted, err := t.Interrupted(); err != nil || interrupted {
		return err
	}
	defer func() { t.known = nil }()
	fresh := memoryName + freshSuffix
	err = t.remember(p, set, compiled, fresh)
	if err == nil {
		err = t.root.Rename(fresh, memoryName)
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(t.root.Remove(fresh)))
	}
	return nil
}

// remember writes what Remember notes to fresh.
func (t *Tree) remember(p Program, set *fileset.Set, compiled []byte, fresh string) error {
	if err := t.root.WriteFile(fresh, nil, 0o644); err != nil {
		return err
	}
	began, err := t.root.Stat(fresh)
	if err != nil {
		return err
	}
	m, err := t.observe(p, set, began.ModTime())
	if err != nil {
		return err
	}
	if m.compiled, err = t.keepCompiled(compiled); err != nil {
		return err
	}
	return t.root.WriteFile(fresh, m.format(), 0o644)
}

// observe looks at what the next Current will want to know, reading only what the last memory does not tell.
func (t *Tree) observe(p Program, set *fileset.Set, began time.Time) (memory, error) {
	m := memory{seen: began}
	lock, err := t.Lock()
	if err != nil {
		return m, err
	}
	old := t.wholeMemory()
	m.lock = Hash(t.lock.text) // which was read just now
	if m.program, err = old.recognise(p); err != nil {
		return m, err
	}
	if m.madeBy, err = m.maker(p); err != nil {
		return m, err
	}
	if m.files, err = t.sights(lock.wants(), old); err != nil {
		return m, err
	}
	users := map[string]string{} // none has to be there
	for name, entry := range lock.Files {
		if entry.Owner == fileset.User {
			users[name] = ""
		}
	}
	yours, err := t.sights(users, old)
	m.rest = restOf(set, lock, yours)
	return m, err
}

// sights are the files in want that are there. One that was still as old says when the tree was planned is not looked at again: that
// with that size and time it has that hash stays true, whatever becomes of it.
func (t *Tree) sights(want map[string]string, old memory) (map[string]sight, error) {
	sights := make(map[string]sight, len(want))
	look := make(map[string]string)
	for name, hash := range want {
		if s, known := old.files[name]; known && t.still[name] {
			sights[name] = s
		} else {
			look[name] = hash
		}
	}
	var mu sync.Mutex
	err := t.eachFolder(look, func(folder *os.Root, dir string, names []string) error {
		for _, base := range names {
			name := path.Join(dir, base)
			s, err := (&Tree{root: folder}).sight(base, old, old.files[name])
			if err != nil {
				return err
			}
			if s.hash != "" {
				s.path = name
				mu.Lock()
				sights[name] = s
				mu.Unlock()
			}
		}
		return nil
	})
	return sights, err
}

// sight looks at the file at name, and reads it unless it is still what known says.
func (t *Tree) sight(name string, m memory, known sight) (sight, error) {
	info, err := t.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return sight{}, nil
	}
	if err != nil || m.still(known, info) {
		return known, err
	}
	f, err := t.look(name)
	return sight{size: info.Size(), time: info.ModTime(), hash: f.hash}, err
}

// recognise is the build that p is: one with the same hash is the same. It is empty for a released version.
func (m memory) recognise(p Program) (sight, error) {
	if !p.Development {
		return sight{}, nil
	}
	info, err := os.Stat(p.Executable)
	if err != nil {
		return sight{}, err
	}
	if m.program.path == filepath.ToSlash(p.Executable) && m.still(m.program, info) {
		return m.program, nil
	}
	hash, err := hashFile(p.Executable)
	return sight{size: info.Size(), time: info.ModTime(), hash: hash, path: filepath.ToSlash(p.Executable)}, err
}
