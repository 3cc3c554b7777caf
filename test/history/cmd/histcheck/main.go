// Command histcheck judges saved histories: histcheck FILE … prints a line for each and what is wrong with it, and exits
// 1 if anything is.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/svcgen/svcgen/test/history"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(files []string, out, errOut io.Writer) int {
	if len(files) == 0 {
		_, _ = fmt.Fprintln(errOut, "usage: histcheck FILE …")
		return 2
	}
	code := 0
	for _, name := range files {
		v, err := check(name)
		if err != nil {
			_, _ = fmt.Fprintf(errOut, "%s: %v\n", name, err)
			code = 1
			continue
		}
		_, _ = fmt.Fprintln(out, v)
		if err := v.Err(); err != nil {
			_, _ = fmt.Fprintln(out, err)
			code = 1
		}
	}
	return code
}

func check(name string) (*history.Verdict, error) {
	f, err := os.Open(name) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return history.Check(f)
}
