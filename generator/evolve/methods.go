package evolve

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/naming"
)

// rename gives methods their new names, all at once: two may have changed theirs.
func (e *editor) rename() error {
	renames := slices.DeleteFunc(slices.Clone(e.plan.renames), Rename.ofService)
	if len(renames) == 0 {
		return nil
	}
	pkg, err := e.pkg()
	if err != nil {
		return err
	}
	edits := map[string][]goedit.Edit{}
	files := map[string]string{} // that go with their methods
	for _, r := range renames {
		found := pkg.Methods(r.From.Type, r.From.Method)
		if len(found) == 0 {
			return diag.List{{Message: fmt.Sprintf("--rename %s: no method %s is declared in %s", r, r.From, e.plan.Folder)}}
		}
		if there := pkg.Methods(r.To.Type, r.To.Method); len(there) > 0 && !e.plan.Leaves(r.To) {
			return taken(r, r.To.String(), there[0].Pos())
		}
		if !pkg.HasType(r.To.Type) {
			return diag.List{{Message: fmt.Sprintf("--rename %s: type %s is not declared yet", r, r.To.Type), Hint: "run svcgen regen first, then again with --rename"}}
		}
		for _, m := range found {
			name := m.File.Path
			edits[name] = append(edits[name], m.Rename(r.To.Method))
			if r.From.Type != r.To.Type {
				edits[name] = append(edits[name], m.MoveTo(r.To.Type)...)
			}
			e.notes = append(e.notes, note{file: name, decl: r.To, message: fmt.Sprintf("%s is %s now, as you said", r.From, r.To)})
		}
		if name := found[0].File.Path; len(found) == 1 && e.ownFile(name, r.From) && e.plan.Places[r.To] != "" {
			files[name] = e.plan.Places[r.To]
		}
	}
	tests, err := e.renameTests(pkg, renames, files)
	if err != nil {
		return err
	}
	for name, made := range tests {
		e.files[name] = goedit.Apply(e.files[name], unique(made))
	}
	for name, made := range edits {
		e.files[name] = goedit.Apply(e.files[name], made)
	}
	e.move(files)
	return nil
}

// ownFile reports whether a file is called after the method, and is not that of a type, as deps.go is.
func (e *editor) ownFile(name string, d Decl) bool {
	for decl, place := range e.plan.Places {
		if place == name && decl.Method == "" {
			return false
		}
	}
	suffix := "method" // of a name with a meaning to go, as in package ir
	if d.Type == contract.Consumers {
		suffix = "event"
	}
	stem, method := strings.TrimSuffix(path.Base(name), ".go"), naming.Snake(d.Method)
	return stem == naming.GoFile(method, suffix) || stem == naming.GoFile(naming.Snake(d.Type)+"_"+method, suffix)
}

func testOf(name string) string { return strings.TrimSuffix(name, ".go") + "_test.go" }

// renameTests returns the edits that let the tests of methods follow them: their calls, and their files, which are noted in files.
func (e *editor) renameTests(pkg *goedit.Package, renames []Rename, files map[string]string) (map[string][]goedit.Edit, error) {
	edits := map[string][]goedit.Edit{}
	used := goedit.MethodsUsed(e.plan.Package, e.plan.module+"/"+e.plan.Folder, e.folder(), e.plan.generatedFor(renames))
	for _, r := range renames {
		to := ""
		if place := e.plan.Places[r.To]; place != "" {
			to = testOf(place)
		}
		for _, name := range slices.Sorted(maps.Keys(e.files)) {
			own, test := strings.CutSuffix(name, "_test.go")
			if !test || path.Dir(name) != e.plan.Folder || !e.ownFile(own+".go", r.From) {
				continue
			}
			f, errs := e.parse(name)
			if errs != nil {
				return nil, errs
			}
			calls := func(offset int) bool { return e.plan.calls(r, pkg.Same(r.From.Type), used[name][offset]) }
			edits[name] = append(edits[name], f.RenameTest(r.From.Type, r.From.Method, r.To.Type, r.To.Method, calls)...)
			if to != "" {
				files[name], to = to, ""
			}
		}
	}
	return edits, nil
}

// calls reports whether what is used gets another name by the rename: the user's method, of a type that is declared as declared, or
// the generated one of a client.
func (p Plan) calls(r Rename, declared string, used goedit.Used) bool {
	switch {
	case used.Name != r.From.Method:
		return false
	case used.Path == p.module+"/"+p.Folder:
		return used.Type == declared
	}
	return r.From.Type == r.To.Type && used.Path == p.stubs[r.From.Type] && used.Type == p.goNames[r.From.Type]+"Client"
}

// generatedFor is what generated code has of the methods as they were called, by import path: as much as it takes to tell
// their calls from others.
func (p Plan) generatedFor(renames []Rename) map[string]string {
	methods := map[string]string{}
	for _, r := range renames {
		methods[r.From.Type] += fmt.Sprintf("\t%s(...any) any\n", r.From.Method)
	}
	sources := map[string]string{}
	for _, typ := range slices.Sorted(maps.Keys(methods)) {
		at, name := p.stubs[typ], p.goNames[typ]
		if at == "" {
			continue
		}
		if sources[at] == "" {
			sources[at] = "package " + cmp.Or(p.packages[at], path.Base(at)) + "\n"
		}
		sources[at] += fmt.Sprintf("type %[1]sClient interface {\n%[2]s}\nfunc New%[1]sClient(...any) %[1]sClient\n", name, methods[typ])
	}
	return sources
}
