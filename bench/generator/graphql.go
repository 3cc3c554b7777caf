package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// gqlgenProject makes a module in dir that gqlgen has generated once. gqlgen wants the packages its code imports in go.mod,
// so this needs the module cache that installing gqlgen has filled, or a network.
func (s size) gqlgenProject(ctx context.Context, gqlgen, dir string) error {
	info, err := buildinfo.ReadFile(gqlgen)
	if err != nil {
		return fmt.Errorf("read the version of gqlgen: %w", err)
	}
	texts := map[string]string{
		"go.mod": "module example.com/bench\n\ngo 1.26\n\nrequire github.com/99designs/gqlgen " + info.Main.Version + "\n",
		"tools.go": "//go:build tools\n\npackage tools\n\nimport (\n\t_ \"github.com/99designs/gqlgen/graphql\"\n" +
			"\t_ \"github.com/99designs/gqlgen/graphql/introspection\"\n\t_ \"github.com/vektah/gqlparser/v2\"\n)\n",
		"gqlgen.yml": "schema: [schema/*.graphql]\nexec: {filename: graph/generated.go, package: graph}\n" +
			"model: {filename: graph/models.go, package: graph}\nresolver: {layout: follow-schema, dir: graph, package: graph}\nskip_mod_tidy: true\n",
	}
	for name, text := range texts {
		if err := create(filepath.Join(dir, name), func(w io.Writer) { printf(w, "%s", text) }); err != nil {
			return err
		}
	}
	for i := range s.files {
		if err := s.writeGraphQL(dir, i, false); err != nil {
			return err
		}
	}
	for _, argv := range [][]string{{"go", "mod", "tidy"}, {gqlgen, "generate"}} {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, brief(text))
		}
	}
	return nil
}

// writeGraphQL writes the i-th file: a mutation for each method, with ten fields in its input.
func (s size) writeGraphQL(dir string, i int, edited bool) error {
	return create(filepath.Join(dir, "schema", fmt.Sprintf("s%03d.graphql", i)), func(w io.Writer) {
		if i == 0 {
			printf(w, "type Query { ping: String! }\ntype Mutation { nop: String! }\n")
		}
		printf(w, "extend type Mutation {\n")
		for m := range s.methods {
			printf(w, "  s%03dM%04d(input: S%03dM%04dRequest!): S%03dM%04dResponse!\n", i, m, i, m, i, m)
		}
		printf(w, "}\n")
		const fields = "  id: String!\n  name: String!\n  created: Int!\n  active: Boolean!\n  price: Float!\n  data: String!\n  labels: String!\n  tags: [String!]!\n"
		for m := range s.methods {
			name, more := fmt.Sprintf("S%03dM%04d", i, m), ""
			if edited && m == 0 {
				more = "  note: String\n"
			}
			printf(w, "input %sItem {\n  sku: String!\n  count: Int!\n}\ninput %sRequest {\n%s  first: %sItem!\n  items: [%sItem!]!\n%s}\ntype %sResponse {\n%s}\n",
				name, name, fields, name, name, more, name, fields)
		}
	})
}
