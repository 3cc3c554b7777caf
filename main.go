// Command svcgen emits complete Go services from a proto file and a small manifest, and keeps them current.
package main

import (
	"os"

	"github.com/svcgen/svcgen/generator/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
