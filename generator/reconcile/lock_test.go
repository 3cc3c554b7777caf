package reconcile

import (
	"errors"
	"reflect"
	"testing"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/fileset"
)

func TestLockRoundTrip(t *testing.T) {
	lock := Lock{
		Version: "v1.2.3",
		Inputs:  []Input{{"absent.proto", ""}, {"with space.proto", "aa"}},
		Files: map[string]Entry{
			"gen/a.go":         {Owner: fileset.Svcgen, Hashes: []string{"01"}},
			"main.go":          {Owner: fileset.User},
			"migrations/1.sql": {Owner: fileset.User, Hashes: []string{"02"}, Variant: "sqlite"},
			"odd\nname":        {Owner: fileset.Merged, Hashes: []string{"03"}},
			`"quoted"`:         {Owner: fileset.Merged, Hashes: []string{"04"}},
		},
	}
	text := lock.Format()
	got, err := ParseLock(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if !reflect.DeepEqual(got, lock) {
		t.Errorf("read back\n%+v\nwant\n%+v", got, lock)
	}
}

// TestLockAfterMerge reads a lock that git could not merge: either side may be on disk.
func TestLockAfterMerge(t *testing.T) {
	lock, err := ParseLock([]byte(`format 1
<<<<<<< ours
svcgen v1.2.0
file svcgen aa gen/a.go
||||||| base
svcgen v1.0.0
file svcgen 00 gen/a.go
=======
svcgen v1.1.0
file svcgen bb gen/a.go
>>>>>>> theirs
file svcgen cc gen/c.go
`))
	if err != nil {
		t.Fatal(err)
	}
	if !lock.unmerged || lock.Version != "v1.2.0" || len(lock.Files["gen/a.go"].Hashes) != 3 || len(lock.Files["gen/c.go"].Hashes) != 1 {
		t.Errorf("lock is %+v", lock)
	}
}

// TestLockOfBothSides reads locks of which git kept the lines of both sides: whatever stands twice, one of them is not so.
func TestLockOfBothSides(t *testing.T) {
	for text, want := range map[string]bool{
		"svcgen v1.0.0\ninput aa a\nfile svcgen 00 a.go\n":                      false,
		"svcgen v1.0.0\nsvcgen v1.1.0\ninput aa a\nfile svcgen 00 a.go\n":       true,
		"svcgen v1.0.0\ninput bb a\ninput aa a\nfile svcgen 00 a.go\n":          true,
		"svcgen v1.0.0\ninput aa a\nfile svcgen 00 a.go\nfile svcgen 11 a.go\n": true,
		"svcgen v1.0.0\ninput aa a\ninput aa b\nfile svcgen 00 a.go\n":          false,
		"svcgen v1.0.0\ninput aa a\nfile svcgen 00 a.go\nfile svcgen 00 b.go\n": false,
	} {
		lock, err := ParseLock([]byte("format 1\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		if lock.unmerged != want {
			t.Errorf("unmerged is %t in\n%s", lock.unmerged, text)
		}
	}
}

func TestLockErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "svcgen.lock:1:1: the format line is missing"},
		{"format 2\n", "svcgen.lock:1:1: format 2 is newer than this svcgen, which reads up to 1"},
		{"format one\n", "svcgen.lock:1:1: the format is not a number"},
		{"format 1\nfile nobody 00 a\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nfile svcgen 00\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\ninput 00\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nwhat\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nfile svcgen 00 \"a\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nfile svcgen 00 ../a\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nfile svcgen 00 /a\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nfile svcgen 00 \"a\\x00\"\n", "svcgen.lock:2:1: cannot read this line"},
		{"format 1\nfile merged ../../proto/a.proto a\n", "svcgen.lock:2:1: cannot read this line"},
	}
	for _, tt := range tests {
		_, err := ParseLock([]byte(tt.text))
		var list diag.List
		if !errors.As(err, &list) || list.Error() != tt.want {
			t.Errorf("%q: error is %v, want %s", tt.text, err, tt.want)
		}
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte("format 1\nsvcgen v1.0.0\ninput aa in\nfile svcgen 00 gen/a.go\nfile yours/sqlite - m.sql\n"))
	f.Add([]byte("format 1\n<<<<<<< a\nfile svcgen 00 a\n=======\nfile merged 11 a\n>>>>>>> b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lock, err := ParseLock(text)
		if err != nil {
			return
		}
		again, err := ParseLock(lock.Format())
		if err != nil {
			t.Fatalf("%v in what was printed for %q:\n%s", err, text, lock.Format())
		}
		if string(again.Format()) != string(lock.Format()) {
			t.Errorf("printed\n%s\nthen\n%s", lock.Format(), again.Format())
		}
	})
}
