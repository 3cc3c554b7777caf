package generator_test

import (
	"bufio"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/diag"
)

var wild = flag.String("wild", "", "a file that lists protos to try: on each line a path, and import roots as -I takes them")

// TestWild makes services of protos that nobody prepared, such as those of Go modules in the module cache, and compiles them.
// A proto that is refused, for a missing import most often, is only shown.
//
//	go test ./generator -run TestWild -v -wild list
func TestWild(t *testing.T) {
	if *wild == "" {
		t.Skip("no -wild list of protos")
	}
	list, err := os.Open(*wild)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = list.Close() }() // opened for reading only
	c, made := newCompiler(), 0
	for lines := bufio.NewScanner(list); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		out, err := generator.Generate(t.Context(), generator.Input{Proto: words[0], Imports: words[1:], Version: "devel"})
		if refused, ok := errors.AsType[diag.List](err); ok {
			t.Logf("%s: refused: %s", words[0], refused[0])
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", words[0], err)
			continue
		}
		made++
		for _, err := range c.check(t, out.Files, out.Service.Module) {
			t.Errorf("%s: %v", words[0], err)
		}
	}
	t.Logf("%d services compile", made)
}
