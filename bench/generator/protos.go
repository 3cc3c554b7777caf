package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// size is a workload: so many proto files, each with one service of so many methods.
type size struct{ files, methods int }

func (s size) String() string { return fmt.Sprintf("%dx%d", s.files, s.methods) }
func (s size) total() int     { return s.files * s.methods }

// The sizes of the goals. 2x100 is there because its service has about 500 files.
var sizes = []size{{1, 5}, {1, 100}, {2, 100}, {1, 1600}, {10, 100}, {100, 100}}

// protoPath is the import path of the i-th file.
func protoPath(i int) string { return fmt.Sprintf("bench/s%03d/v1/s%03d.proto", i, i) }

// writeProtos writes the files of s below dir, and the manifest and configuration each tool wants.
func (s size) writeProtos(dir string) error {
	for i := range s.files {
		err := create(filepath.Join(dir, filepath.FromSlash(protoPath(i))), func(w io.Writer) { s.writeProto(w, i, editNothing) })
		if err != nil {
			return err
		}
	}
	err := create(filepath.Join(dir, "svcgen.yaml"), func(w io.Writer) {
		printf(w, "version: 1\nname: bench\nmodule: example.com/bench\nproto:\n  imports: [.]\n  files:\n")
		for i := range s.files {
			printf(w, "    - %s\n", protoPath(i))
		}
		printf(w, "database: sqlite\nbroker: memory\n")
	})
	if err != nil {
		return err
	}
	// buf runs a plugin once for each folder unless told to ask for all files at once.
	for name, strategy := range map[string]string{"buf.gen.yaml": "directory", "buf.gen.all.yaml": "all"} {
		err := create(filepath.Join(dir, name), func(w io.Writer) {
			printf(w, "version: v2\nplugins:\n")
			for _, plugin := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
				printf(w, "  - local: %s\n    out: .\n    opt: paths=source_relative\n    strategy: %s\n", plugin, strategy)
			}
		})
		if err != nil {
			return err
		}
	}
	return create(filepath.Join(dir, "buf.yaml"), func(w io.Writer) { printf(w, "version: v2\n") })
}

// writeProto writes the i-th file: each method has a request and a response of ten fields, with a nested message, lists
// and a map among them; every fourth method is of each streaming kind. e makes one version differ from another.
func (s size) writeProto(w io.Writer, i int, e edit) {
	comment, field := "", ""
	switch e {
	case editNothing:
	case editComment:
		comment = " It was edited."
	case editField:
		field = " string note = 11;\n"
	}

	printf(w, "syntax = \"proto3\";\n\npackage bench.s%03d.v1;\n\noption go_package = \"example.com/bench/gen/bench/s%03d/v1;s%03dv1\";\n\n", i, i, i)
	printf(w, "// S%03dService is one of many.%s\nservice S%03dService {\n", i, comment, i)
	kinds := [...][2]string{{"", ""}, {"", "stream "}, {"stream ", ""}, {"stream ", "stream "}}
	for m := range s.methods {
		kind := kinds[m%len(kinds)]
		printf(w, "  // S%03dM%04d is method %d.\n", i, m, m)
		printf(w, "  rpc S%03dM%04d(%sM%04dRequest) returns (%sM%04dResponse);\n", i, m, kind[0], m, kind[1], m)
	}
	printf(w, "}\n")
	for m := range s.methods {
		printf(w, `
message M%04dRequest {
 message Item {
  string sku = 1;
  int64 count = 2;
 }
%s}

message M%04dResponse {
%s}
`, m, fmt.Sprintf(fields, "Item")+field, m, fmt.Sprintf(fields, fmt.Sprintf("M%04dRequest.Item", m)))
		field = ""
	}
}

// fields are the ten of every message; the verb is the type of the nested one.
const fields = ` string id = 1;
 string name = 2;
 int64 created = 3;
 bool active = 4;
 double price = 5;
 bytes data = 6;
 %[1]s first = 7;
 repeated %[1]s items = 8;
 map<string, string> labels = 9;
 repeated string tags = 10;
`

// create writes a file with its folders. It streams, because the kernel counts this program's peak memory
// towards each child it starts.
func create(path string, write func(io.Writer)) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	write(w)
	if err := w.Flush(); err != nil { // bufio keeps the first error of printf
		_ = f.Close()
		return err
	}
	return f.Close()
}

// printf writes to a bufio.Writer, which keeps its first error until Flush.
func printf(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
