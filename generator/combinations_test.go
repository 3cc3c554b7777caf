package generator_test

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// TestCombinations emits the quickstart for every database and broker there is, and proves that each tree builds and
// vets by itself, with the versions its go.sum pins and no requirement too many or too few.
func TestCombinations(t *testing.T) {
	if testing.Short() {
		t.Skip("builds nine services")
	}
	root := t.TempDir()
	for _, database := range []string{"sqlite", "postgres", "mysql"} {
		for _, broker := range []string{"memory", "kafka", "rabbitmq"} {
			t.Run(database+" and "+broker, func(t *testing.T) {
				out, err := generator.Generate(t.Context(), generator.Input{
					Proto:   filepath.Join(examples, "quickstart", "proto", "acme", "orders", "v1", "orders.proto"),
					Choices: ir.Choices{Name: "orders", Module: "github.com/acme/orders", Database: database, Broker: broker},
					Version: "devel",
				})
				if err != nil {
					t.Fatal(err)
				}
				dir := filepath.Join(root, database+"-"+broker)
				if _, err := reconcile.CreateTree(dir, out.Files, reconcile.Options{Version: "devel"}); err != nil {
					t.Fatal(err)
				}
				// -trimpath lets the trees share in the build cache what they have in common.
				for _, args := range [][]string{{"vet", "-trimpath", "./..."}, {"build", "-trimpath", "./..."}, {"mod", "tidy", "-diff"}} {
					goTool(t, dir, args...)
				}
			})
		}
	}
}

// TestFormatted proves that every Go file is formatted, whatever was chosen: those that are copied are not formatted
// again, and their imports must not change their order when the service's module takes the place of the reference's.
func TestFormatted(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres", "mysql"} {
		for _, broker := range []string{"memory", "kafka", "rabbitmq"} {
			for _, module := range []string{"a.io/a", "zzz.example/zzz"} {
				out, err := generator.Generate(t.Context(), generator.Input{
					Proto:   filepath.Join(examples, "quickstart", "proto", "acme", "orders", "v1", "orders.proto"),
					Choices: ir.Choices{Name: "orders", Module: module, Database: database, Broker: broker},
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range out.Files.Files() {
					if !strings.HasSuffix(f.Path, ".go") {
						continue
					}
					if want, err := format.Source(f.Content); err != nil || !bytes.Equal(want, f.Content) {
						t.Errorf("%s, %s and %s: %s is not formatted: %v", module, database, broker, f.Path, err)
					}
				}
			}
		}
	}
}

// goTool runs go in the tree dir, as its user would who has only that tree.
func goTool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go %v: %v\n%s", args, err, out)
	}
}
