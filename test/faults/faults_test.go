package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/workload"
)

var (
	only = flag.String("fault", "", "run the faults of this name, in which * stands for anything")
	seed = flag.Uint64("seed", 0, "of the run; 0: a new one")
	keep = flag.String("keep", "", "folder for the histories; those of failed runs are kept in any case")
)

// TestFaults does faults of the table to a service under load. A run's history must show that the fault bit, and that
// no promise was broken. It takes two cores for minutes, so it is run by itself: make faults.
func TestFaults(t *testing.T) {
	if *only == "" {
		t.Skip("SKIPPED, NOT PROVEN HERE: run make faults, or -fault NAME")
	}
	var table []Fault
	for _, f := range Table() {
		if ok, err := path.Match(*only, f.Name); err != nil {
			t.Fatal(err)
		} else if ok && f.SmallDisk && os.Geteuid() != 0 {
			t.Logf("SKIPPED, NOT PROVEN HERE: %s needs root, to mount a small disk", f.Name)
		} else if ok {
			table = append(table, f)
		}
	}
	if len(table) == 0 {
		t.Fatalf("no fault is called %s", *only)
	}
	lab := NewLab(t.TempDir())
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	rig.Need(t, lab.Prepare(t.Context(), table))
	t.Logf("servers and builds are there after %v", time.Since(began).Round(time.Second))
	for _, f := range table {
		t.Run(f.Name, func(t *testing.T) {
			v, file := judged(t, lab, f)
			t.Logf("%v; again: -fault %s -seed %d", v, f.Name, v.Seed)
			if err := v.Err(); err != nil {
				t.Fatalf("%v\nhistory: %s", err, file)
			}
			forget(t, file)
		})
	}
}

// judged runs f and returns the verdict, and where the history is.
func judged(t *testing.T, lab *Lab, f Fault) (*history.Verdict, string) {
	t.Helper()
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	kept := *keep
	if kept == "" {
		kept = filepath.Join(os.TempDir(), "svcgen-histories")
	}
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(kept, fmt.Sprintf("%s-%d.jsonl", path.Base(t.Name()), n))
	v, err := lab.Run(t.Context(), f, n, file)
	if err != nil {
		t.Fatalf("%v\nhistory: %s", err, file)
	}
	return v, file
}

// forget removes the history of a run that went as it should.
func forget(t *testing.T, file string) {
	t.Helper()
	if *keep == "" {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}

// TestTable: the names of faults are unique, and each says what must be seen of it.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Table() {
		if seen[f.Name] || f.Name != strings.ToLower(f.Name) {
			t.Errorf("the name %q is taken, or no name", f.Name)
		}
		seen[f.Name] = true
		if len(f.Expect.Bites) == 0 || f.Expect.Before == 0 || f.Expect.During == 0 {
			t.Errorf("%s would pass when nothing happened", f.Name)
		}
		if found, err := Find(f.Name); err != nil || found.Name != f.Name {
			t.Errorf("%s is not found: %v", f.Name, err)
		}
	}
}

// TestFailpoints: they find their places in what is emitted now.
func TestFailpoints(t *testing.T) {
	tree, err := workload.Emit(t.Context(), filepath.Join(t.TempDir(), "tally"), workload.Stack{Database: "postgres", Broker: "rabbitmq"}, topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Apply(failpoints...); err != nil {
		t.Error(err)
	}
}
