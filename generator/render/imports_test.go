package render

import "testing"

func TestRewriteImports(t *testing.T) {
	const from = "example.com/reference"
	tests := []struct{ name, src, want string }{
		{
			"only the bytes of import paths change",
			"// A comment about example.com/reference/a.\npackage p\n\nimport   (\n\t\"fmt\"\n\n\tx \"example.com/reference/a\"   // why\n\t. `example.com/reference/b`\n)\n\nconst s = \"example.com/reference/a\"\nvar   odd=x.Y\n",
			"// A comment about example.com/reference/a.\npackage p\n\nimport   (\n\t\"fmt\"\n\n\tx \"github.com/acme/orders/a\"   // why\n\t. \"github.com/acme/orders/b\"\n)\n\nconst s = \"example.com/reference/a\"\nvar   odd=x.Y\n",
		},
		{
			"the module itself, and overlays of it",
			"package p\n\nimport (\n\t\"example.com/reference\"\n\t\"example.com/reference/variant/kafka/internal/gen/broker\"\n)\n",
			"package p\n\nimport (\n\t\"github.com/acme/orders\"\n\t\"github.com/acme/orders/internal/gen/broker\"\n)\n",
		},
		{
			"a module whose path begins the same is another one",
			"package p\n\nimport \"example.com/reference2/a\"\n",
			"package p\n\nimport \"example.com/reference2/a\"\n",
		},
		{"no imports", "package p\n", "package p\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := rewriteImports([]byte(tt.src), from, "github.com/acme/orders")
			if err != nil || string(got) != tt.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
}
