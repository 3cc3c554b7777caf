package cli

import (
	"sync"
	"testing"
)

func TestSameCode(t *testing.T) {
	const code = "package p\n\n// F does.\nfunc F() {}\n"
	for name, tt := range map[string]struct {
		a, b string
		want bool
	}{
		"equal":               {code, code, true},
		"another comment":     {code, "package p\n\n// F does\n// so.\nfunc F() {}\n", true},
		"a comment more":      {code, "// Package p.\n" + code + "\t// end\n", true},
		"other code":          {code, "package p\n\n// F does.\nfunc G() {}\n", false},
		"less code":           {code, "package p\n", false},
		"another constraint":  {"//go:build a\n\n" + code, "//go:build b\n\n" + code, false},
		"a comment of a line": {"var x int // a\n", "var x int // b\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sameCode([]byte(tt.a), []byte(tt.b)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
	if sameCode(nil, []byte(code)) || sameCode([]byte(code), nil) {
		t.Error("a file that is not there has the code of one that is")
	}
}

// TestBackground: who asks gets the panic of what is done in the background, and nobody else does.
func TestBackground(t *testing.T) {
	began := make(chan bool)
	ask := sync.OnceValue(func() int {
		close(began)
		panic("as told")
	})
	background(func() { _ = ask() })
	<-began
	defer func() {
		if p := recover(); p != "as told" {
			t.Errorf("the panic is %v", p)
		}
	}()
	t.Errorf("it is %d", ask())
}
