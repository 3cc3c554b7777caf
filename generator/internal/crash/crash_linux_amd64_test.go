// Package crash runs the real svcgen and stops it at system calls that change something on disk: it is killed there,
// or the call fails. Afterwards the tree is the old one, the new one, or one that the next run finishes; what a
// person wrote is intact; a failure names its file. docs/regen.md promises it.
//
// The tracer counts the calls of all threads together, so every one of them can be asked for. strace counts those of
// each thread for itself: which call of a Go program is the 17th is then up to the scheduler.
package crash

import (
	"flag"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	every   = flag.Bool("every", false, "stop at every call, not at a sample of them")
	workDir = flag.String("scratch", "", "folder to work in; empty: memory, where the system has a folder of it")
)

// TestKilled kills svcgen right before a call.
func TestKilled(t *testing.T) {
	each(t, func(t *testing.T, s *stage, n int) {
		dir := s.copy(t)
		res := s.run(t, run{dir: dir, args: s.args, at: n})
		if len(res.hit) == 0 { // another schedule, and no n-th call
			return
		}
		what := "killed before " + res.hit[0].String()
		if res.code != -1 {
			t.Fatalf("%s: exit code %d\n%s", what, res.code, res.stderr)
		}
		s.eachFileWhole(t, dir, what)
		if n%3 > 0 {
			s.finish(t, dir, what)
			return
		}
		s.finishEdited(t, dir, what)
	})
}

// TestFailing makes a call fail, that one or all from there on, as a full, a broken, a protected or a read-only disk
// would.
func TestFailing(t *testing.T) {
	errnos := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EACCES, syscall.EROFS}
	var turn atomic.Int64
	each(t, func(t *testing.T, s *stage, n int) {
		variants := []int{int(turn.Add(1)) % (2 * len(errnos))}
		switch {
		case *every:
			variants = []int{0, 1, 2, 3, 4, 5, 6, 7}
		case s.calls[n-1].name == "rmdir": // all else may have been done
			variants = append(variants, variants[0]^1)
		}
		for _, v := range variants {
			errno, sticky := errnos[v/2], v%2 == 1
			dir := s.copy(t)
			res := s.run(t, run{dir: dir, args: s.args, at: n, errno: errno, sticky: sticky})
			if len(res.hit) == 0 {
				return
			}
			what := fmt.Sprintf("%q of %s", errno, res.hit[0])
			if sticky {
				what += " and of all that follow"
			}
			s.failed(t, dir, what, res, sticky)
			s.eachFileWhole(t, dir, what)
			s.finish(t, dir, what)
		}
	})
}

// failed holds what a run says against what it left.
func (s *stage) failed(t *testing.T, dir, what string, res result, sticky bool) {
	t.Helper()
	now := read(t, dir)
	if sticky || res.hit[0].name == "flock" || res.code == s.code {
		// The lock could not be removed, or is perhaps another's, or nothing but a note for the next run failed.
		for _, name := range []string{"orders/.svcgen/lock", "orders/.svcgen/local.new"} {
			delete(now, name)
		}
	}
	if res.code == s.code {
		if d := now.differs(s.new); d != "" {
			t.Errorf("%s: exit code %d as if nothing were, and %s", what, res.code, d)
		}
		return
	}
	if res.code != 1 {
		t.Errorf("%s: exit code %d, want 1\n%s", what, res.code, res.stderr)
	}
	if !slices.ContainsFunc(res.hit, func(c call) bool { return c.named(res.stderr) }) {
		t.Errorf("%s: the message does not name the file: %s", what, res.stderr)
	}
	same := now.users().differs(s.old.users())
	if same == "" && !sticky && res.hit[0].name != "flock" {
		same = now.differs(s.old)
	}
	if same != "" && !strings.Contains(res.stderr, "svcgen regen finishes") {
		t.Errorf("%s: exit code %d, but %s\n%s", what, res.code, same, res.stderr)
	}
}

// named reports whether message names a file of c, or the folder that was to be removed with it.
func (c call) named(message string) bool {
	return slices.ContainsFunc(c.paths, func(p string) bool {
		return strings.Contains(message, path.Base(p)) || (c.name == "unlinkat" || c.name == "rmdir") && strings.Contains(message, path.Base(path.Dir(p)))
	})
}

// eachFileWhole checks a stopped run's tree: each file is the old one or the new one.
func (s *stage) eachFileWhole(t *testing.T, dir, what string) {
	t.Helper()
	now := read(t, dir).users()
	for name, f := range now {
		if !f.same(s.old[name]) && !f.same(s.new[name]) {
			t.Errorf("%s: %s is neither the old nor the new: %s", what, name, f)
		}
	}
	for name := range s.old.users() {
		if _, stays := s.new[name]; !stays {
			continue
		}
		if _, there := now[name]; !there {
			t.Errorf("%s: %s is not there", what, name)
		}
	}
}

// finish runs svcgen again, as a person would, and once more.
func (s *stage) finish(t *testing.T, dir, what string) {
	t.Helper()
	s.again(t, dir, what, s.code)
	done := read(t, dir)
	if d := done.differs(s.new); d != "" {
		t.Errorf("%s, then run again: %s", what, d)
	}
	s.still(t, dir, what, done, s.code)
}

// finishEdited is finish where somebody has gone on working in between.
func (s *stage) finishEdited(t *testing.T, dir, what string) {
	t.Helper()
	edits := s.edit(t, dir)
	code := s.again(t, dir, what+", edited", s.code, 3)
	done := read(t, dir)
	for name, line := range edits {
		if n := strings.Count(done[name].text, line); n != 1 {
			t.Errorf("%s, edited, then run again: %s has what was written %d times", what, name, n)
		}
	}
	for name := range done {
		_, before := s.old[name]
		_, after := s.new[name]
		if !before && !after && !strings.HasPrefix(name, "orders/.svcgen/base/") && !strings.HasSuffix(name, ".svcgen-new") {
			t.Errorf("%s, edited, then run again: %s is left behind", what, name)
		}
	}
	// Signatures follow the proto in an edited file too.
	if s.handler != "" && !strings.Contains(done[handlers].text, s.handler) {
		t.Errorf("%s, edited, then run again: %s does not have %s\n%s", what, handlers, s.handler, done[handlers].text)
	}
	s.still(t, dir, what+", edited", done, code)
}

// again is the next run. After a new that has begun to make files, that is a regen, and new says so.
func (s *stage) again(t *testing.T, dir, what string, want ...int) int {
	t.Helper()
	res := s.plain(t, dir, s.args)
	if s.args[0] == "new" && res.code == 2 && strings.Contains(res.stderr, "svcgen regen") {
		res = s.plain(t, dir, []string{"regen", "orders"})
	}
	if !slices.Contains(want, res.code) {
		t.Fatalf("%s, then run again: exit code %d, want %v\n%s", what, res.code, want, res.stderr)
	}
	return res.code
}

// still checks that one more run has nothing to do.
func (s *stage) still(t *testing.T, dir, what string, done tree, code int) {
	t.Helper()
	res := s.plain(t, dir, []string{"regen", "orders"})
	if res.code != code || code == 0 && res.stdout != "nothing to do\n" {
		t.Errorf("%s, then run twice: exit code %d, want %d\n%s%s", what, res.code, code, res.stdout, res.stderr)
	}
	for name, f := range read(t, dir) {
		if was := done[name]; !f.same(was) || !f.time.Equal(was.time) && !f.mode.IsDir() {
			t.Errorf("%s, then run twice: the second run changed %s", what, name)
		}
	}
}

// each calls check for the calls of every scene, or for a sample of them.
func each(t *testing.T, check func(t *testing.T, s *stage, n int)) {
	if testing.Short() {
		t.Skip("runs svcgen hundreds of times")
	}
	svcgen := build(t)
	for _, sc := range scenes() {
		t.Run(sc.name, func(t *testing.T) {
			s := prepare(t, sc, svcgen)
			points := sample(s.calls)
			if *every {
				points = make([]int, len(s.calls))
				for i := range points {
					points[i] = i + 1
				}
			}
			began := time.Now()
			t.Run("call", func(t *testing.T) {
				for _, n := range points {
					t.Run(fmt.Sprint(n), func(t *testing.T) {
						t.Parallel()
						check(t, s, n)
					})
				}
			})
			t.Logf("%d of %d calls in %v", len(points), len(s.calls), time.Since(began).Round(time.Millisecond))
		})
	}
}

// sample is the first and the last call of each kind, and a few between them: most are many times the same.
func sample(calls []call) []int {
	first, last := map[string]int{}, map[string]int{}
	for i, c := range calls {
		kind := c.name
		for _, p := range c.paths {
			folder, base := path.Split(p)
			switch {
			case strings.HasSuffix(folder, "/.svcgen/stage/") && base != "journal":
				kind += " staged"
			case strings.Contains(folder, "/.svcgen/base"):
				kind += " base"
			case strings.HasSuffix(folder, "/.svcgen/") || strings.HasSuffix(folder, "/.svcgen/stage/"):
				kind += " " + base
			default:
				kind += " file"
			}
		}
		if _, seen := first[kind]; !seen {
			first[kind] = i + 1
		}
		last[kind] = i + 1
	}
	points := map[int]bool{}
	for _, at := range []map[string]int{first, last} {
		for n := range maps.Values(at) {
			points[n] = true
		}
	}
	for i := range 8 {
		points[len(calls)*(2*i+1)/16+1] = true
	}
	return slices.Sorted(maps.Keys(points))
}

const handlers = "orders/internal/orders/handlers.go"

// edit adds a line to files of the user's that are there.
func (s *stage) edit(t *testing.T, dir string) map[string]string {
	t.Helper()
	edits := map[string]string{}
	for name, line := range map[string]string{
		handlers:                         "// I go on working.\n",
		"orders/internal/orders/deps.go": "// I go on working.\n",
		"orders/README.md":               "I go on working.\n",
	} {
		if add(t, filepath.Join(dir, filepath.FromSlash(name)), line) {
			edits[name] = line
		}
	}
	return edits
}
