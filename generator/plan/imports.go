package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/ir"
)

// Imports are the imports of one file that depend on the service, without duplicates and sorted by path, in the
// groups they stand in.
type Imports struct {
	Std      []string
	External []ir.Import
	Local    []ir.Import
}

func imports(module string, specs ...ir.Import) Imports {
	slices.SortFunc(specs, func(a, b ir.Import) int { return cmp.Compare(a.Path, b.Path) })
	var out Imports
	for _, spec := range slices.Compact(specs) {
		if spec.Path == module || strings.HasPrefix(spec.Path, module+"/") {
			out.Local = append(out.Local, spec)
		} else {
			out.External = append(out.External, spec)
		}
	}
	return out
}
