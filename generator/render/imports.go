package render

import (
	"fmt"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// rewriteImports moves a file of the reference service to module: it replaces the bytes of the import paths below
// from, and below the overlays in from/variant, and leaves every other byte alone. It is what cmd/gonew does.
func rewriteImports(src []byte, from, module string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var out []byte
	done := 0
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", spec.Path.Value, err)
		}
		moved, ok := move(path, from, module)
		if !ok {
			continue
		}
		at := fset.Position(spec.Path.Pos()).Offset
		out = append(out, src[done:at]...)
		out = append(out, strconv.Quote(moved)...)
		done = at + len(spec.Path.Value)
	}
	return append(out, src[done:]...), nil
}

// move returns where an import path of the reference service is in module.
func move(path, from, module string) (string, bool) {
	rest, ok := strings.CutPrefix(path, from)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if overlay, ok := strings.CutPrefix(rest, "/variant/"); ok {
		_, folder, _ := strings.Cut(overlay, "/")
		rest = "/" + folder
	}
	return module + rest, true
}
