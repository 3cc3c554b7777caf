package cli

import (
	"bytes"
	"errors"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/svcgen/svcgen/generator/merge"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// TestScenarios runs what people do to a service between two runs of svcgen regen. Each script starts from svcgen
// new, mostly of testdata/service; docs/regen-scenarios.md is their list.
func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("vets whole services")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/scenario",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			return addMissing(env.WorkDir, "testdata/service")
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("no condition %q", name)
		},
		Cmds: commands,
	})
}

// addMissing copies the files below from that a script has no version of its own of.
func addMissing(dir, from string) error {
	root := os.DirFS(from)
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		to := filepath.Join(dir, name)
		if err != nil || d.IsDir() {
			return err
		}
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return errors.Join(os.MkdirAll(filepath.Dir(to), 0o777), os.WriteFile(to, content, 0o666))
	})
}

// regen runs svcgen regen and holds it to its contract: regen [-status N] [-lost TOKENS] FOLDER [flag ...].
//
// The tokens that the user's files had are there afterwards, in the same order, but for TOKENS. A run that ends with
// 0 or 3 leaves nothing to do for a second one, which touches nothing; one that ends otherwise has touched nothing
// itself. $WORK/diff is what became of the user's files, those left out that are as svcgen made them.
func regen(ts *testscript.TestScript, _ bool, args []string) {
	want, lost := "0", ""
	for ; len(args) > 2 && strings.HasPrefix(args[0], "-"); args = args[2:] {
		switch args[0] {
		case "-status":
			want = args[1]
		case "-lost":
			lost = args[1]
		default:
			ts.Fatalf("regen: no flag %s", args[0])
		}
	}
	dir := ts.MkAbs(args[0])
	before, err := usersFiles(dir, false)
	ts.Check(err)
	untouched, err := listing(dir)
	ts.Check(err)
	status(ts, false, slices.Concat([]string{want, "svcgen", "regen"}, args))
	after, err := usersFiles(dir, true)
	ts.Check(err)
	if got := strings.Join(lostTokens(before, after), " "); got != lost {
		ts.Fatalf("lost of the user's: %s\nmay be lost: %s\n%s", got, lost, usersDiff(before, after))
	}
	ts.Check(os.WriteFile(filepath.Join(ts.Getenv("WORK"), "diff"), []byte(usersDiff(before, after)), 0o666))
	now, err := listing(dir)
	ts.Check(err)
	preview := slices.ContainsFunc(args[1:], func(arg string) bool { return slices.Contains([]string{"--dry-run", "--diff", "--check"}, arg) })
	if preview || want != "0" && want != "3" {
		if now != untouched {
			ts.Fatalf("something was written:\n%s", merge.Unified("tree", []byte(untouched), []byte(now)))
		}
		return
	}
	var stdout, stderr bytes.Buffer
	code := Main([]string{"regen", dir}, strings.NewReader(""), &stdout, &stderr)
	if strconv.Itoa(code) != want || code == 0 && stdout.String() != nothingToDo+"\n" {
		ts.Fatalf("a second run ended with %d and said\n%s%s", code, &stdout, &stderr)
	}
	again, err := listing(dir)
	ts.Check(err)
	if again != now {
		ts.Fatalf("a second run has written:\n%s", merge.Unified("tree", []byte(now), []byte(again)))
	}
}

// usersFile is a file that a person has written in.
type usersFile struct {
	content []byte
	base    []byte // what svcgen made of it last, where that is kept
}

// usersFiles are the files of a tree that are not svcgen's; those that are as svcgen left them only if all is set.
func usersFiles(dir string, all bool) (map[string]usersFile, error) {
	tree, err := reconcile.Open(dir)
	if err != nil {
		return nil, err
	}
	lock, err := tree.Lock()
	if err != nil {
		lock = reconcile.Lock{} // a script may have broken it
	}
	files := map[string]usersFile{}
	err = fs.WalkDir(tree.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch base := path.Base(name); {
		case err != nil:
			return err
		case d.IsDir() && (reconcile.Generated(name) || base == ".svcgen" || base == ".git"):
			return fs.SkipDir
		case !d.Type().IsRegular() || name == reconcile.LockName:
			return nil
		}
		content, err := fs.ReadFile(tree.FS(), name)
		if err != nil {
			return err
		}
		hashes := lock.Files[name].Hashes
		if !all && slices.Contains(hashes, reconcile.Hash(content)) {
			return nil
		}
		f := usersFile{content: content}
		if len(hashes) > 0 {
			f.base, _ = fs.ReadFile(tree.FS(), ".svcgen/base/"+hashes[0])
		}
		files[name] = f
		return nil
	})
	return files, errors.Join(err, tree.Close())
}

// lostTokens are the tokens of before that are not in after, or not in their order.
func lostTokens(before, after map[string]usersFile) []string {
	var all [][]string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		all = append(all, lostOf(name, before[name], heir(name, before, after), after))
	}
	return slices.Concat(all...)
}

// lostOf are the tokens of the file at name that the one at heir has not.
func lostOf(name string, was usersFile, heir string, after map[string]usersFile) []string {
	own := tokens(name, was.content)
	if was.base != nil { // what svcgen put there it may take away
		own = missing(own, tokens(name, was.base))
	}
	return missing(own, tokens(heir, after[heir].content))
}

// heir is where the file at name is afterwards. One that is gone is looked for among those that are new.
func heir(name string, before, after map[string]usersFile) string {
	if _, stays := after[name]; stays {
		return name
	}
	best, least := name, len(tokens(name, before[name].content))
	for _, to := range slices.Sorted(maps.Keys(after)) {
		if _, old := before[to]; old {
			continue
		}
		if n := len(lostOf(name, before[name], to, after)); n < least {
			best, least = to, n
		}
	}
	return best
}

// missing are the elements of a that b has not, in the order they have in a.
func missing(a, b []string) []string {
	lines := func(list []string) []byte { return []byte(strings.Join(list, "\n") + "\n") }
	var gone []string
	for line := range strings.Lines(merge.Unified("tokens", lines(a), lines(b))) {
		if text, ok := strings.CutPrefix(line, "-"); ok && !strings.HasPrefix(line, "--- ") {
			gone = append(gone, strings.TrimSuffix(text, "\n"))
		}
	}
	return gone
}

// tokens are the words of a file, and of Go its tokens and comments; none has a line break in it.
func tokens(name string, content []byte) []string {
	if path.Ext(name) != ".go" {
		return strings.Fields(string(content))
	}
	var s scanner.Scanner
	fset := token.NewFileSet()
	s.Init(fset.AddFile(name, -1, len(content)), content, nil, scanner.ScanComments)
	var list []string
	for {
		_, tok, text := s.Scan()
		switch {
		case tok == token.EOF:
			return list
		case tok == token.SEMICOLON && text == "\n":
		case text == "" || tok.IsOperator():
			list = append(list, tok.String())
		case strings.ContainsAny(text, "\n "):
			list = append(list, strconv.Quote(text))
		default:
			list = append(list, text)
		}
	}
}

// usersDiff is how the user's files changed.
func usersDiff(before, after map[string]usersFile) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(before)) {
		b.WriteString(merge.Unified(name, before[name].content, after[heir(name, before, after)].content))
	}
	return b.String()
}

// errorAt is a line of go vet's output that says where something is wrong.
var errorAt = regexp.MustCompile(`(?m)^(?:vet: |# )?(?:\./)?([^\s:]+\.go:\d+):\d+: `)

// builds checks that every package of a service compiles with its tests, and vets: builds [-FLAG of go vet] FOLDER [FILE:LINE ...].
// With places, they are the ones where it does not, and the only ones. go vet type-checks all there is from source;
// what it imports it compiles. Only the linker does not run.
func builds(ts *testscript.TestScript, _ bool, args []string) {
	flags := []string{"vet"}
	for ; strings.HasPrefix(args[0], "-"); args = args[1:] {
		flags = append(flags, args[0])
	}
	cmd := exec.Command("go", append(flags, "./...")...)
	cmd.Dir = ts.MkAbs(args[0])
	// One cache for all: with -trimpath what is compiled does not depend on where it is.
	cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if len(args) == 1 {
		if err != nil {
			ts.Fatalf("%s does not build and vet: %v\n%s", args[0], err, out)
		}
		return
	}
	var got []string
	for _, m := range errorAt.FindAllStringSubmatch(string(out), -1) {
		if !slices.Contains(got, m[1]) {
			got = append(got, m[1])
		}
	}
	slices.Sort(got)
	if err == nil || !slices.Equal(got, slices.Sorted(slices.Values(args[1:]))) {
		ts.Fatalf("broken: %v\nwant: %v\n%s", got, args[1:], out)
	}
}
