package gogen

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/svcgen/svcgen/generator/ir"
)

// BenchmarkGenerate shows that the time for one file grows with the number of its methods, not with its square
// as it does with protoc-gen-go's own formatting of the raw descriptor (stock).
func BenchmarkGenerate(b *testing.B) {
	for _, methods := range []int{100, 400, 1600} {
		files := manyMethods(b, methods)
		prefixes, err := outputPrefixes(files, testModule)
		if err != nil {
			b.Fatal(err)
		}
		for name, how := range map[string]mode{"linear": {linear: true, chunk: chunkSize}, "stock": {chunk: chunkSize}} {
			if !how.linear && methods > 400 {
				continue // over a minute
			}
			b.Run(fmt.Sprintf("%s/methods=%d", name, methods), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := generate(files, prefixes, how); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// manyMethods compiles one file with as many methods, of all kinds, on nested messages with ten fields.
func manyMethods(t testing.TB, methods int) []ir.ProtoFile {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\npackage acme.v1;\n\n// Big is big.\nservice Big {\n")
	sides := [][2]string{{"", ""}, {"", "stream "}, {"stream ", ""}, {"stream ", "stream "}}
	for i := range methods {
		side := sides[i%len(sides)]
		fmt.Fprintf(&b, "  // Method%d does the work of number %d.\n", i, i)
		fmt.Fprintf(&b, "  rpc Method%d(%sRequest%d) returns (%sResponse%d);\n", i, side[0], i, side[1], i)
	}
	b.WriteString("}\n")
	for i := range methods {
		for _, name := range []string{"Request", "Response"} {
			fmt.Fprintf(&b, "\n// %s%d is for Method%d.\nmessage %s%d {\n", name, i, i, name, i)
			for field := range 9 {
				kind := []string{"string", "int64", "repeated bytes", "map<string, bool>"}[field%4]
				fmt.Fprintf(&b, "  // field %d\n  %s field_%d = %d;\n", field, kind, field, field+1)
			}
			b.WriteString("  Inner inner = 10;\n  message Inner {\n    double value = 1;\n  }\n}\n")
		}
	}
	return compileFS(t, fstest.MapFS{"acme/v1/big.proto": {Data: []byte(b.String())}})
}
