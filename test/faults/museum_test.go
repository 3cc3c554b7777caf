package faults

import (
	"cmp"
	"flag"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/subject"
	"github.com/svcgen/svcgen/test/workload"
)

var shown = flag.String("museum", "", "run the exhibits of these names (a,b), in which * stands for anything; today: a few, others each day")

// perDay is how many exhibits are looked at each day.
const perDay = 4

// exhibits are those to be shown.
func exhibits(t *testing.T) (list []Exhibit) {
	all := Museum()
	if *shown == "today" {
		day := int(time.Now().Unix() / (24 * 60 * 60))
		for n := range perDay {
			list = append(list, all[(day*perDay+n)%len(all)])
		}
		return list
	}
	for _, e := range all {
		for pattern := range strings.SplitSeq(*shown, ",") {
			if ok, err := path.Match(pattern, e.Name); err != nil {
				t.Fatal(err)
			} else if ok {
				list = append(list, e)
				break
			}
		}
	}
	if len(list) == 0 {
		t.Fatalf("no exhibit is called %s", *shown)
	}
	return list
}

// TestMuseum: every exhibit is caught by the promise that names it, and the service as it is emitted passes under the
// same faults.
func TestMuseum(t *testing.T) {
	if *shown == "" {
		t.Skip("SKIPPED, NOT PROVEN HERE: run make museum, or -museum NAME")
	}
	list := exhibits(t)
	var faults, controls []Fault
	for _, e := range list {
		if last := len(controls) - 1; last < 0 || controls[last].Name != e.Fault.Name {
			controls = append(controls, e.Control())
		}
		faults = append(faults, e.Broken())
	}
	lab := NewLab(t.TempDir())
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	rig.Need(t, lab.Prepare(t.Context(), append(faults, controls...)))
	t.Logf("servers and builds are there after %v", time.Since(began).Round(time.Second))
	for _, f := range controls {
		t.Run("control/"+f.Name, func(t *testing.T) {
			v, file := judged(t, lab, f)
			t.Log(v)
			if err := v.Err(); err != nil {
				t.Fatalf("without a bug: %v\nhistory: %s", err, file)
			}
			forget(t, file)
		})
		for _, e := range list {
			if e.Fault.Name != f.Name {
				continue
			}
			t.Run(e.Name, func(t *testing.T) {
				v, file := judged(t, lab, e.Broken())
				t.Log(v)
				switch {
				case e.Breaks == "":
					if err := v.Err(); err != nil {
						t.Fatalf("it is no mistake, and yet: %v\nhistory: %s", err, file)
					}
				case !v.Broke(e.Breaks):
					t.Fatalf("not caught: want %s broken, got %v\nhistory: %s", e.Breaks, v.Err(), file)
				}
				for _, w := range v.Violations {
					if w.Promise == e.Breaks {
						t.Logf("caught: %v", w)
						break
					}
				}
				forget(t, file)
			})
		}
	}
}

// TestExhibits: they find their places in what is emitted now, have names of their own, and faults that must bite.
func TestExhibits(t *testing.T) {
	doc, err := os.ReadFile("../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	emitted := map[workload.Stack]*subject.Tree{}
	seen := map[string]bool{}
	for _, e := range Museum() {
		if seen[e.Name] || e.Name == "" {
			t.Errorf("the name %q is taken, or no name", e.Name)
		}
		seen[e.Name] = true
		if e.Breaks == "" && e.Bites == "" || len(e.Bug) == 0 || e.Fault.Expect.Before == 0 || e.Fault.Expect.During == 0 {
			t.Errorf("%s would pass when nothing happened", e.Name)
		}
		row := regexp.MustCompile("(?m)^. `" + e.Name + "`: .*[|] (I[0-9]+|nothing) [|][^|]*[|]$").FindSubmatch(doc)
		if row == nil || string(row[1]) != cmp.Or(e.Breaks, "nothing") {
			t.Errorf("docs/guarantees.md does not say that %s breaks %s", e.Name, cmp.Or(e.Breaks, "nothing"))
		}
		stack := e.Fault.Stack
		if emitted[stack] == nil {
			tree, err := workload.Emit(t.Context(), filepath.Join(t.TempDir(), "tally"), stack, topic)
			if err != nil {
				t.Fatal(err)
			}
			emitted[stack] = tree
		}
		dir := filepath.Join(t.TempDir(), "tally")
		if err := os.CopyFS(dir, os.DirFS(emitted[stack].Dir)); err != nil {
			t.Fatal(err)
		}
		if err := (&subject.Tree{Dir: dir}).Apply(e.Bug...); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
}
