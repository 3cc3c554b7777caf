// Package cli is the svcgen command: flags, printing and exit codes; no generation logic.
package cli

import "io"

// Main runs svcgen with args and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return 0
}
