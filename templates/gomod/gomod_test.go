package gomod

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

var update = flag.Bool("update", false, "write data anew")

const testModule = "svcgen.invalid/service"

func databases() []string { return []string{"sqlite", "postgres", "mysql"} }
func brokers() []string   { return []string{"memory", "kafka", "rabbitmq"} }

// extras are the modules that a service requires when its protos import what they provide, each with packages
// that stand for all of the module. The list is the one of generator/schema, and protovalidate.
func extras() map[string][]string {
	return map[string][]string{
		"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go": {"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"},
		"buf.build/go/protovalidate":                                 {"buf.build/go/protovalidate"},
		"cel.dev/expr":                                               {"cel.dev/expr"},
		"github.com/grpc-ecosystem/grpc-gateway/v2":                  {"github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"},
		"github.com/prometheus/client_model":                         {"github.com/prometheus/client_model/go"},
		"go.opentelemetry.io/proto/otlp":                             {"go.opentelemetry.io/proto/otlp/collector/trace/v1"},
		"google.golang.org/genproto/googleapis/api":                  {"google.golang.org/genproto/googleapis/api/annotations"},
		"google.golang.org/genproto/googleapis/rpc":                  {"google.golang.org/genproto/googleapis/rpc/status"},
	}
}

// TestPrepared resolves all files under data anew and compares; with -update it writes them.
func TestPrepared(t *testing.T) {
	var all imports // of every service there can be
	for _, database := range databases() {
		for _, broker := range brokers() {
			need := serviceImports(t, database, broker)
			mod, sum := tidy(t, need)
			compare(t, baseName(database, broker)+".mod", mod)
			compare(t, baseName(database, broker)+".sum", sum)
			all = all.with(need)
		}
	}
	mod, _ := tidy(t, all)
	base := requires(t, mod)
	for path, packages := range extras() {
		need := imports{code: packages}
		mod, sum := tidy(t, need)
		compare(t, extraName(path)+".mod", mod)
		compare(t, extraName(path)+".sum", sum)

		// A version that is required in the base only to hold it up may come with the extra one anyway.
		both, _ := tidy(t, all.with(need))
		var implied []byte
		for _, path := range slices.Sorted(maps.Keys(base)) {
			if _, ok := requires(t, both)[path]; !ok {
				implied = append(implied, path+"\n"...)
			}
		}
		compare(t, extraName(path)+".implied", implied)
	}
}

// tidy returns what go mod tidy leaves of svcgen's own requirements for a module with these imports.
func tidy(t *testing.T, need imports) (mod, sum []byte) {
	t.Helper()
	dir := t.TempDir()
	writeSources(t, dir, need)
	write(t, dir, "go.mod", rootRequirements(t))
	write(t, dir, "go.sum", read(t, filepath.Join("..", "..", "go.sum")))
	if out, err := goCommand(dir, "mod", "tidy"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return read(t, filepath.Join(dir, "go.mod")), read(t, filepath.Join(dir, "go.sum"))
}

// compare compares a file under data with what it should hold; nothing is a file that does not exist.
func compare(t *testing.T, name string, fresh []byte) {
	t.Helper()
	file := filepath.Join("data", filepath.FromSlash(name))
	if *update {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if len(fresh) > 0 {
			write(t, ".", file, fresh)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if !bytes.Equal(have, fresh) {
		t.Errorf("%s is stale: run go test ./templates/gomod -update", file)
	}
}

func requires(t *testing.T, mod []byte) map[string]modfile.Require {
	t.Helper()
	l, err := parse(mod, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l.requires
}

// TestFilesAreTidy proves for whole services that nothing is missing from what Files returns, and nothing too much.
func TestFilesAreTidy(t *testing.T) {
	if *update {
		t.Skip("what is embedded is from before the update")
	}
	all, packages := []string(nil), []string(nil)
	for module, some := range extras() {
		all, packages = append(all, module), append(packages, some...)
	}
	type service struct {
		database, broker string
		extra, packages  []string
	}
	services := []service{
		{database: "sqlite", broker: "memory", extra: all[:1], packages: packages[:1]},
		{database: "sqlite", broker: "memory", extra: all, packages: packages},
		{database: "postgres", broker: "kafka", extra: all, packages: packages},
		{database: "mysql", broker: "rabbitmq", extra: all, packages: packages},
	}
	for _, database := range databases() {
		for _, broker := range brokers() {
			services = append(services, service{database: database, broker: broker})
		}
	}
	for _, s := range services {
		t.Run(fmt.Sprintf("%s, %s, %d extra", s.database, s.broker, len(s.extra)), func(t *testing.T) {
			mod, sum, err := Files(s.database, s.broker, s.extra, testModule)
			if err != nil {
				t.Fatal(err)
			}
			need := serviceImports(t, s.database, s.broker)
			need.code = append(need.code, s.packages...)
			dir := t.TempDir()
			writeSources(t, dir, need)
			write(t, dir, "go.mod", mod)
			write(t, dir, "go.sum", sum)
			if out, err := goCommand(dir, "mod", "tidy", "-diff"); err != nil {
				t.Errorf("go mod tidy would change it: %v\n%s", err, out)
			}
			if out, err := goCommand(dir, "list", "-mod=readonly", "-deps", "-test", "./..."); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestVersionsAreRootVersions holds the promise that a service runs on what svcgen itself was tested with.
func TestVersionsAreRootVersions(t *testing.T) {
	if *update {
		t.Skip("what is embedded is from before the update")
	}
	root, err := parse(read(t, filepath.Join("..", "..", "go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for module := range extras() {
		all = append(all, module)
	}
	for _, database := range databases() {
		for _, broker := range brokers() {
			mod, _, err := Files(database, broker, all, testModule)
			if err != nil {
				t.Fatal(err)
			}
			file, err := modfile.Parse("go.mod", mod, nil)
			if err != nil {
				t.Fatal(err)
			}
			if file.Go.Version != root.goVersion || file.Toolchain != nil || file.Module.Mod.Path != testModule {
				t.Errorf("%s and %s: go %s, toolchain %v, module %s", database, broker, file.Go.Version, file.Toolchain, file.Module.Mod.Path)
			}
			for _, r := range file.Require {
				if want := root.requires[r.Mod.Path].Mod.Version; r.Mod.Version != want {
					t.Errorf("%s and %s: %s %s, svcgen has %q", database, broker, r.Mod.Path, r.Mod.Version, want)
				}
			}
		}
	}
}

func TestFilesRefuses(t *testing.T) {
	for want, args := range map[string][3]string{
		"go.mod for database oracle and broker memory": {"oracle", "memory", ""},
		"go.mod with module example.test/x":            {"sqlite", "memory", "example.test/x"},
	} {
		var extra []string
		if args[2] != "" {
			extra = []string{args[2]}
		}
		_, _, err := Files(args[0], args[1], extra, testModule)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, known := range []string{"google.golang.org/grpc", "google.golang.org/protobuf"} {
		if _, _, err := Files("sqlite", "memory", []string{known}, testModule); err != nil {
			t.Errorf("%s is in every service: %v", known, err)
		}
	}
}

// rootRequirements is a go.mod with everything that svcgen's own requires.
func rootRequirements(t *testing.T) []byte {
	t.Helper()
	root, err := parse(read(t, filepath.Join("..", "..", "go.mod")), nil)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := root.goMod(testModule)
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

// writeSources writes a package that imports what a service imports.
func writeSources(t *testing.T, dir string, need imports) {
	t.Helper()
	for name, paths := range map[string][]string{"service.go": need.code, "service_test.go": need.tests} {
		var b bytes.Buffer
		b.WriteString("package service\n")
		for _, path := range paths {
			fmt.Fprintf(&b, "import _ %q\n", path)
		}
		write(t, dir, name, b.Bytes())
	}
}

func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local")
	return cmd.CombinedOutput()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
