package crash

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/svcgen/svcgen/generator/internal/earlier"
)

// scene is a command and where it is run: the service is in the folder orders.
type scene struct {
	name    string
	setup   func(t *testing.T, svcgen, dir string)
	args    []string
	code    int    // of a run that nobody stops
	handler string // what the user's handlers have after it
}

func scenes() []scene {
	return []scene{
		{name: "new", setup: inputs, args: []string{"new", "svcgen.yaml", "--out", "orders"}},
		{name: "regen", setup: changed, args: []string{"regen", "orders"}, handler: "in *pb.Order)"},
		{name: "conflict", setup: conflicting, args: []string{"regen", "orders"}, code: 3},
		{name: "upgrade", setup: upgradable, args: []string{"regen", "orders"}},
	}
}

func inputs(t *testing.T, _, dir string) {
	archive, err := txtar.ParseFile("testdata/orders.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		put(t, filepath.Join(dir, f.Name), string(f.Data))
	}
}

// service is a new service in which somebody wrote handlers.
func service(t *testing.T, svcgen, dir string) {
	inputs(t, svcgen, dir)
	s := stage{svcgen: svcgen}
	if res := s.plain(t, dir, []string{"new", "svcgen.yaml", "--out", "orders"}); res.code != 0 {
		t.Fatal(res.stderr)
	}
	if err := os.Rename(filepath.Join(dir, "handlers.go"), filepath.Join(dir, filepath.FromSlash(handlers))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "orders", "internal", "orders", "place.go")); err != nil {
		t.Fatal(err)
	}
}

// changed has a proto with other types, a method more, one less and a package less, and edits of files kept current.
func changed(t *testing.T, svcgen, dir string) {
	service(t, svcgen, dir)
	proto := filepath.Join(dir, "orders", "proto", "a", "v1", "a.proto")
	replace(t, proto, "rpc Place(PlaceRequest)", "rpc Place(Order)")
	replace(t, proto, "rpc Cancel(PlaceRequest) returns (PlaceResponse);", "rpc Hold(Order) returns (stream Order);")
	replace(t, filepath.Join(dir, "orders", "svcgen.yaml"), "a/v1/a.proto, b/v1/b.proto", "a/v1/a.proto")
	replace(t, filepath.Join(dir, "orders", "README.md"), "# orders\n", "# Orders of Acme\n")
	if err := os.Chmod(filepath.Join(dir, "orders", "README.md"), 0o664); err != nil {
		t.Fatal(err)
	}
}

// conflicting has a manifest whose change and the user's own touch the same lines of compose.yaml.
func conflicting(t *testing.T, svcgen, dir string) {
	service(t, svcgen, dir)
	replace(t, filepath.Join(dir, "orders", "svcgen.yaml"), "broker: memory", "broker: rabbitmq")
	replace(t, filepath.Join(dir, "orders", "compose.yaml"), "volumes:\n  data:", "volumes:\n  mine:")
	replace(t, filepath.Join(dir, "orders", "README.md"), "# orders\n", "# Orders of Acme\n")
}

// upgradable is a service that an earlier svcgen emitted, and somebody worked on.
func upgradable(t *testing.T, _, dir string) {
	orders := filepath.Join(dir, "orders")
	if err := errors.Join(os.Mkdir(orders, 0o755), earlier.Unpack(orders), earlier.Work(orders)); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, name, old, with string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", name, old)
	}
	put(t, name, strings.Replace(string(text), old, with, 1))
}

// add appends to a file that is there.
func add(t *testing.T, name, line string) bool {
	t.Helper()
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err == nil {
		err = os.WriteFile(name, append(text, line...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// stage is a scene with its two ends.
type stage struct {
	scene
	svcgen   string
	dir      string // as it is before a run
	old, new tree   // before and after one that nobody stops
	calls    []call
}

func prepare(t *testing.T, sc scene, svcgen string) *stage {
	t.Helper()
	s := &stage{scene: sc, svcgen: svcgen, dir: scratch(t)}
	sc.setup(t, svcgen, s.dir)
	s.old = read(t, s.dir)
	dir := s.copy(t)
	res := s.run(t, run{dir: dir, args: s.args})
	if res.code != s.code {
		t.Fatalf("exit code %d, want %d\n%s%s", res.code, s.code, res.stdout, res.stderr)
	}
	s.new, s.calls = read(t, dir), res.calls
	if s.old.differs(s.new) == "" || !strings.Contains(s.new[handlers].text, s.handler) {
		t.Fatal("it changes nothing")
	}
	return s
}

// run is a traced run of svcgen.
func (s *stage) run(t *testing.T, r run) result {
	t.Helper()
	r.args = append([]string{s.svcgen}, r.args...)
	res, err := r.start()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// plain is a run of svcgen without a tracer.
func (s *stage) plain(t *testing.T, dir string, args []string) result {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), s.svcgen, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: errs.String()}
}

// copy makes a tree to work on, with the times of the files.
func (s *stage) copy(t *testing.T) string {
	t.Helper()
	dir := scratch(t)
	for _, name := range slices.Sorted(maps.Keys(s.old)) {
		f, to := s.old[name], filepath.Join(dir, filepath.FromSlash(name))
		var err error
		if f.mode.IsDir() {
			err = os.MkdirAll(to, 0o755)
		} else {
			err = errors.Join(os.WriteFile(to, []byte(f.text), 0o600), os.Chmod(to, f.mode.Perm()), os.Chtimes(to, f.time, f.time))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tree is what is in a folder.
type tree map[string]file

type file struct {
	mode fs.FileMode
	time time.Time
	text string
}

func (f file) String() string { return fmt.Sprintf("%v, %d bytes", f.mode, len(f.text)) }

func (f file) same(g file) bool { return f.mode == g.mode && f.text == g.text }

// read reads a folder; without .svcgen/local, in which are times, and .svcgen/compiled, which goes with it.
func read(t *testing.T, dir string) tree {
	t.Helper()
	all := tree{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." || name == "orders/.svcgen/local" || name == "orders/.svcgen/compiled" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := file{mode: info.Mode(), time: info.ModTime()}
		if info.Mode().IsRegular() {
			text, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			f.text = string(text)
		}
		all[name] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// users is the tree without what svcgen keeps for itself, and without folders.
func (a tree) users() tree {
	b := maps.Clone(a)
	maps.DeleteFunc(b, func(name string, f file) bool {
		return strings.HasPrefix(name, "orders/.svcgen/") || f.mode.IsDir()
	})
	return b
}

// differs is the first difference; empty for none.
func (a tree) differs(want tree) string {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if w, ok := want[name]; !ok {
			return name + " is there"
		} else if !a[name].same(w) {
			return fmt.Sprintf("%s is another: %v, want %v", name, a[name], w)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := a[name]; !ok {
			return name + " is not there"
		}
	}
	return ""
}

// scratch is an empty folder, in memory where that can be had: there are thousands of fsyncs.
func scratch(t *testing.T) string {
	t.Helper()
	parent := *workDir
	if parent == "" {
		parent = "/dev/shm"
		if info, err := os.Stat(parent); err != nil || !info.IsDir() {
			parent = os.TempDir()
		}
	}
	dir, err := os.MkdirTemp(parent, "svcgen-crash") //nolint:usetesting // TempDir is on the disk
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// built is the svcgen under test, made once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "svcgen-crash-bin")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "svcgen")
	cmd := exec.Command("go", "build", "-ldflags", "-X github.com/svcgen/svcgen/generator/cli.release=v1.0.0", "-o", name, "github.com/svcgen/svcgen")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return name, nil
})

// build makes svcgen, and skips where programs cannot be traced. In CI that is a failure.
func build(t *testing.T) string {
	t.Helper()
	svcgen, err := built()
	if err != nil {
		t.Fatal(err)
	}
	if res, err := (run{dir: scratch(t), args: []string{svcgen, "version"}}).start(); err != nil || res.code != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("programs cannot be traced: %v %s", err, res.stderr)
		}
		t.Skipf("SKIPPED: programs cannot be traced here: %v %s", err, res.stderr)
	}
	return svcgen
}
