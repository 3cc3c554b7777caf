package generator_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// TestEveryChoiceBuilds takes one service through every database and broker: the manifest is edited, the tree
// regenerated, and it builds and vets, tests included, with the files of the new choice and none of the old.
func TestEveryChoiceBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("builds whole services")
	}
	dir := filepath.Join(t.TempDir(), "orders")
	emit(t, filepath.Join(examples, "quickstart", "svcgen.yaml"), dir)
	for _, database := range []string{"sqlite", "postgres", "mysql"} {
		for _, broker := range []string{"memory", "kafka", "rabbitmq"} {
			t.Run(database+" "+broker, func(t *testing.T) {
				choose(t, filepath.Join(dir, "svcgen.yaml"), "database", database)
				choose(t, filepath.Join(dir, "svcgen.yaml"), "broker", broker)
				regen(t, dir)
				command(t, dir, "vet", "./...")

				fresh := filepath.Join(t.TempDir(), "orders")
				emit(t, filepath.Join(dir, "svcgen.yaml"), fresh)
				compare(t, files(t, fresh), files(t, dir))
			})
		}
	}
}

// choose sets a key of a manifest that has it.
func choose(t *testing.T, manifest, key, value string) {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`(?m)^`+key+`: \w+`).ReplaceAll(text, []byte(key+": "+value))
	if err := os.WriteFile(manifest, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// regen brings the tree at dir up to date, and fails where something would be left to merge by hand.
func regen(t *testing.T, dir string) {
	t.Helper()
	out, err := generator.Generate(t.Context(), generator.Input{Manifest: filepath.Join(dir, "svcgen.yaml"), Version: "devel"})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := reconcile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	}()
	changes, err := tree.Apply(out.Files, options(out))
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range changes.Actions {
		if action.Op == reconcile.Conflict {
			t.Errorf("%s: %s", action.Path, action.Note)
		}
	}
}
