package fileset

import (
	"errors"
	"slices"
	"testing"
)

func TestNew(t *testing.T) {
	set, err := New([]File{{Path: "b", Mode: 2}, {Path: "c", Mode: 3}, {Path: "a", Mode: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a", "b", "c"} {
		if f, ok := set.Get(want); !ok || f.Path != want || f.Mode != set.Files()[i].Mode || set.Files()[i].Path != want {
			t.Errorf("%s is %v by its path, and %v in the list", want, f, set.Files()[i])
		}
	}
	if f, ok := set.Get("d"); ok {
		t.Errorf("there is %v", f)
	}
	if _, err := New([]File{{Path: "a"}, {Path: "b"}, {Path: "a"}}); err == nil {
		t.Error("two files have one path")
	}
	if _, ok := new(Set).Get("a"); ok || len(new(Set).Files()) > 0 {
		t.Error("the zero Set has a file")
	}
}

func TestFinish(t *testing.T) {
	made := func(content string, err error) *Kept {
		return &Kept{Read: func() ([]byte, error) { return []byte(content), err }}
	}
	set, err := New([]File{
		{Path: "b", Kept: made("made now", nil)},
		{Path: "c", Kept: &Kept{Hash: "of what was made before"}},
		{Path: "a", Content: []byte("made")},
	})
	if err == nil {
		err = set.Finish()
	}
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range set.Files() {
		if f.Kept == nil {
			got = append(got, f.Path+": "+string(f.Text()))
		}
	}
	if want := []string{"a: made", "b: made now"}; !slices.Equal(got, want) {
		t.Errorf("the files are %q, want %q", got, want)
	}

	failed := errors.New("as told")
	if set, err = New([]File{{Path: "d", Kept: made("", failed)}}); err == nil {
		err = set.Finish()
	}
	if !errors.Is(err, failed) {
		t.Errorf("the error is %v", err)
	}
}
