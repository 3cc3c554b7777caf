package render

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/plan"
)

// fragments are the parsed templates of one service.
type fragments struct{ set *template.Template }

// parseFragments parses the templates that files need, with the choices of the service as the templates they may
// call. Those of other choices define the same names, so they stay out.
func parseFragments(fsys fs.FS, choices []string, files []plan.File) (fragments, error) {
	names := slices.Clone(choices)
	for _, f := range files {
		if f.Source == plan.Fragment {
			names = append(names, f.From)
		}
	}
	slices.Sort(names)
	// Hermetic: no time, no randomness, no environment, so the same input gives the same bytes.
	set := template.New("").Option("missingkey=error").Funcs(sprig.HermeticTxtFuncMap()).Funcs(funcs())
	for _, name := range slices.Compact(names) {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return fragments{}, fmt.Errorf("read fragment: %w", err)
		}
		if _, err := set.New(name).Parse(string(text)); err != nil {
			return fragments{}, fmt.Errorf("parse fragment: %w", err)
		}
	}
	return fragments{set}, nil
}

func (f fragments) execute(w io.Writer, name string, data *plan.Data) error {
	return f.set.ExecuteTemplate(w, name, data)
}

// funcs are the functions fragments have beside sprig's.
func funcs() template.FuncMap { return template.FuncMap{"import": importSpec} }

// importSpec is an import as a person writes it: the alias only where it is not the package's name, or not the end of its path.
func importSpec(i ir.Import) string {
	if i.Alias == i.Name && i.Alias == path.Base(i.Path) {
		return strconv.Quote(i.Path)
	}
	return i.Alias + " " + strconv.Quote(i.Path)
}
