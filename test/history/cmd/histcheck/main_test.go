package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/test/history"
)

// TestRun: a good history is told in a line, a bad one by the promise it breaks, and the exit code is of the worst.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, recs ...history.Record) string {
		t.Helper()
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		r := history.NewRecorder(f, name, 7, history.Expect{})
		for _, rec := range recs {
			r.Add(rec)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	call := []history.Record{{Kind: history.Invoke, Op: "1", Key: "a"}, {Kind: history.OK, Op: "1", Version: 1}}
	good := write("good", append(call, history.Record{Kind: history.Tap, Op: "1", Key: "a", Version: 1})...)
	bad := write("bad", call...)
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{good}, 0, "good: 1 calls"},
		{[]string{bad, good}, 1, "I1: 1 of the key a is committed, and did not arrive"},
		{[]string{filepath.Join(dir, "none")}, 1, "no such file"},
		{nil, 2, "usage"},
	} {
		var out bytes.Buffer
		if code := run(tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.says) {
			t.Errorf("histcheck %v exits %d and says %s, want %d and %q", tt.args, code, &out, tt.code, tt.says)
		}
	}
}
