package faults

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

var (
	only = flag.String("fault", "", "run this fault alone")
	seed = flag.Uint64("seed", 0, "of the run; 0: a new one")
	keep = flag.String("keep", "", "folder for the histories; those of failed runs are kept in any case")
)

// TestFaults does every fault of the table to a service under load. Its history must show that the fault bit, and that
// no promise was broken.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("builds services and starts servers")
	}
	lab := NewLab(t.TempDir())
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	kept := *keep
	if kept == "" {
		kept = filepath.Join(os.TempDir(), "svcgen-histories")
	}
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range Table() {
		if *only != "" && f.Name != *only {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			n := *seed
			if n == 0 {
				n = rand.Uint64()
			}
			path := filepath.Join(kept, fmt.Sprintf("%s-%d.jsonl", f.Name, n))
			v, err := lab.Run(t.Context(), f, n, path)
			if err != nil {
				t.Fatalf("%v\nhistory: %s", err, path)
			}
			t.Logf("%v; again: -fault %s -seed %d", v, f.Name, n)
			if err := v.Err(); err != nil {
				t.Errorf("%v\nhistory: %s", err, path)
			} else if *keep == "" {
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
