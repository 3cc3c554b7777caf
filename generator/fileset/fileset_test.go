package fileset

import (
	"errors"
	"slices"
	"testing"
)

func TestFinish(t *testing.T) {
	set := &Set{}
	made := func(content string, err error) *Kept {
		return &Kept{Read: func() ([]byte, error) { return []byte(content), err }}
	}
	for _, f := range []File{
		{Path: "b", Kept: made("made now", nil)},
		{Path: "c", Kept: &Kept{Hash: "of what was made before"}},
		{Path: "a", Content: []byte("made")},
	} {
		if err := set.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Add(File{Path: "a"}); err == nil {
		t.Error("two files have one path")
	}
	before := len(set.Files())
	if err := set.Finish(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range set.Files() {
		one, _ := set.Get(f.Path)
		if one.Kept != f.Kept || string(one.Content) != string(f.Content) {
			t.Errorf("%s is one thing in the list and another by its path", f.Path)
		}
		if f.Kept == nil {
			got = append(got, f.Path+": "+string(f.Text()))
		}
	}
	if want := []string{"a: made", "b: made now"}; before != 3 || !slices.Equal(got, want) {
		t.Errorf("%d files, then %q, want %q", before, got, want)
	}

	failed := errors.New("as told")
	if err := set.Add(File{Path: "d", Kept: made("", failed)}); err != nil {
		t.Fatal(err)
	}
	if err := set.Finish(); !errors.Is(err, failed) {
		t.Errorf("the error is %v", err)
	}
}
