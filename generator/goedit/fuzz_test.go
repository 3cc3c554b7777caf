package goedit

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzEdits makes every edit of this package in arbitrary files. A file that parses still does afterwards, what was
// asked for is there, asking again changes nothing, and not a byte outside of the edits is another.
func FuzzEdits(f *testing.F) {
	for _, src := range []string{
		"package p\nimport (\n\t\"context\"\n\tpb \"acme.test/gen/v1\"\n)\nfunc (s *S) M(  c context.Context,in *pb.Old) (_ *pb.PlaceResponse,err error) { return }\n",
		"package p\r\nimport \"context\"\r\nfunc (S) M(a, b context.Context) (x, y error) { return }\r\n",
		"\ufeffpackage p // x\nfunc (s *S[T]) M(_ int, _ ...string) (int, error) { return 0, nil }\ntype S[T any] struct{}\n",
		"package p\nimport . \"acme.test/gen/v1\"\nfunc (s *S) M(ctx Context, r *PlaceRequest) (*PlaceResponse, error)\n",
		"package p\nimport \"C\"\nfunc (s *S) M(a func(b int) (c error), d struct{ e int }) (f map[string]int, _ chan error) { return }\n",
		"package p; func (s *S) M(ctx int, req int) (int, error) { return 0, nil }; func TestM() { s.M(); S.M() }",
		"//go:build !x\n\npackage p\n//line y.go:7\nimport a \"acme.test/gen/v1\"\nfunc ( /* r */ s /* t */ *S) M(/* u */ a /* v */ int /* w */, b *a.X) (a.Y, error) {}\n",
		"package p\nimport (\n)\nimport ordersv1 \"other\"\nfunc (s S) M(c int, ordersv1 int) (r int, e error) { return }\nvar context = 1\n",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		pkg, errs := Parse("p", map[string][]byte{"p.go": src})
		if errs != nil {
			return
		}
		for _, m := range pkg.Methods("S", "M") {
			for _, want := range []Signature{place, chat} {
				edits, err := m.Retype(want)
				if err != nil {
					continue
				}
				got := edited(t, src, edits)
				again, errs := Parse("p", map[string][]byte{"p.go": got})
				if errs != nil {
					t.Fatalf("%v\n%q became\n%q", errs, src, got)
				}
				fits := false
				for _, m := range again.Methods("S", "M") {
					fits = fits || m.Fits(want)
					if more, err := m.Retype(want); err != nil || m.Fits(want) && len(more) > 0 {
						t.Fatalf("asked again, there are edits %v, %v\n%q became\n%q", more, err, src, got)
					}
				}
				if !fits {
					t.Fatalf("it does not fit\n%q became\n%q", src, got)
				}
				if len(again.Files()) == 1 {
					reparse(t, src, edited(t, got, again.Files()[0].DropUnused(m.File)))
				}
			}
			renamed := reparse(t, src, edited(t, src, []Edit{m.Rename("Renamed")}))
			if n := len(renamed.Methods("S", "Renamed")); n == 0 {
				t.Fatalf("the renamed method is not there: %q", src)
			}
			moved := reparse(t, src, edited(t, src, m.MoveTo("Moved")))
			if len(moved.Methods("Moved", "M")) == 0 {
				t.Fatalf("the moved method is not there: %q", src)
			}
		}
		for _, file := range pkg.Files() {
			reparse(t, src, edited(t, src, file.ReplaceImport("acme.test/gen/v1", "acme.test/gen/v2")))
			reparse(t, src, edited(t, src, file.RenameTest("M", "N", "TestM", "TestN", func(int) bool { return true })))
		}
	})
}

// edited is Apply, after a look at the edits: they are in the file, in order, and do not overlap.
func edited(t *testing.T, src []byte, edits []Edit) []byte {
	t.Helper()
	got := Apply(src, edits)
	var grown int
	for _, e := range edits {
		if e.Start < 0 || e.Start > e.End || e.End > len(src) {
			t.Fatalf("edit %v is outside of the file: %q", e, src)
		}
		grown += len(e.New) - (e.End - e.Start)
		if !bytes.Contains(got, []byte(e.New)) {
			t.Fatalf("edit %v is not in %q", e, got)
		}
	}
	if len(got) != len(src)+grown {
		t.Fatalf("edits %v overlap: %q became %q", edits, src, got)
	}
	if strings.Contains(string(src), "\r\n") && !strings.Contains(strings.ReplaceAll(string(src), "\r\n", ""), "\n") && strings.Contains(strings.ReplaceAll(string(got), "\r\n", ""), "\n") {
		t.Fatalf("line endings are mixed: %q became %q", src, got)
	}
	return got
}

func reparse(t *testing.T, src, got []byte) *Package {
	t.Helper()
	pkg, errs := Parse("p", map[string][]byte{"p.go": got})
	if errs != nil {
		t.Fatalf("%v\n%q became\n%q", errs, src, got)
	}
	return pkg
}
