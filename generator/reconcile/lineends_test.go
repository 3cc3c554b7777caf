package reconcile

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator/fileset"
)

// windows gives every text of the tree other line endings, as git and editors on Windows do.
func (w *world) windows() {
	w.t.Helper()
	for name, content := range w.all() {
		if !strings.HasSuffix(name, "/") && !strings.Contains(content, "\x00") && name != memoryName {
			w.write(name, strings.ReplaceAll(content, "\n", "\r\n"))
		}
	}
}

// TestLineEnds proves that line endings are no edit, that a file keeps those it has, and that an edit is one all the same.
func TestLineEnds(t *testing.T) {
	method := fileset.Decl{Package: "orders", Type: "S", Method: "Place"}
	stub := yours("internal/orders/place.go", "package orders\n\nfunc (s *S) Place(a int) {}\n")
	next := yours("internal/orders/place.go", "package orders\n\nfunc (s *S) Place(b int) {}\n")
	stub.Decl, next.Decl = method, method
	packed := own("gen/packed.go", "")
	packed.Content, packed.Packed = nil, fileset.Pack([]byte("package gen\n"))
	before := []fileset.File{own("gen/a.go", "a\nb\n"), own("gen/b.binpb", "\x00\r\na\n"), packed, merged("Makefile", "a\nb\nc\nd\ne\n"), merged("Dockerfile", "a\n"), stub}
	program := Program{Version: "v1.0.0"}

	w := newWorld(t)
	w.opt.Inputs[0].Hash = Hash([]byte("in\n"))
	w.write("in", "in\n")
	w.mustApply(before...)
	w.windows()
	was := w.all()
	if did := w.mustApply(before...); did != "" || !maps.Equal(w.all(), was) {
		t.Errorf("with other line endings it did %q", did)
	}
	if !w.current(program) {
		t.Error("it is not current")
	}
	w.remember(program)
	w.forge("gen/a.go", "A\r\nB\r\n")
	if !w.current(program) {
		t.Error("a file is read again that is remembered")
	}
	if _, err := w.apply(own("gen/a.go", "a\nC\n")); !errors.As(err, new(*EditedError)) {
		t.Errorf("%v, want an error about the edit", err)
	}
	w.write("gen/a.go", "a\r\nb\r\n")
	w.write("Makefile", "mine\r\na\r\nb\r\nc\r\nd\r\ne\r\n")
	w.write("Dockerfile", "mine\r\n")

	packed.Packed = fileset.Pack([]byte("package gen // 2\n"))
	after := []fileset.File{
		own("gen/a.go", "a\nB\n"), own("gen/b.binpb", "\x00\na\n"), own("gen/new.go", "new\n"), packed,
		merged("Makefile", "a\nb\nc\nd\nE\n"), merged("Dockerfile", "b\n"), next,
	}
	const did = "conflict Dockerfile\nmerge Makefile\nupdate gen/a.go\nupdate gen/b.binpb\ncreate gen/new.go\nupdate gen/packed.go\nupdate internal/orders/place.go"
	if got := w.mustApply(after...); got != did {
		t.Errorf("did\n%s\nwant\n%s", got, did)
	}
	want := map[string]string{
		"in": "in\r\n", "gen/a.go": "a\r\nB\r\n", "gen/b.binpb": "\x00\na\n", "gen/new.go": "new\n", "gen/packed.go": "package gen // 2\r\n",
		"Makefile": "mine\r\na\r\nb\r\nc\r\nd\r\nE\r\n", "Dockerfile": "mine\r\n", "Dockerfile.svcgen-new": "b\r\n",
		"internal/orders/place.go": "package orders\r\n\r\nfunc (s *S) Place(b int) {}\r\n",
	}
	if got := w.user(); !maps.Equal(got, want) {
		t.Errorf("tree is %q\nwant    %q", got, want)
	}
	if did, is := w.mustApply(after...), w.user(); did != "conflict Dockerfile" || !maps.Equal(is, want) {
		t.Errorf("a second run did %s: %q", did, is)
	}
}

// TestBytesThatCount proves that what is no text is compared as it is.
func TestBytesThatCount(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"a text", "a\r\nb\r\n", "a\nb\n", true},
		{"some lines of it", "a\nb\r\n", "a\nb\n", true},
		{"a carriage return in a line", "a\rb\n", "ab\n", false},
		{"with a NUL", "a\x00\r\n", "a\x00\n", false},
		{"not UTF-8", "\xff\r\n", "\xff\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if same := Hash([]byte(tt.a)) == Hash([]byte(tt.b)); same != tt.same {
				t.Errorf("the same: %v, want %v", same, tt.same)
			}
		})
	}
}
