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

// ofService reports whether a whole service has another name now.
func (r Rename) ofService() bool { return r.From.Method == "" }

// renamed is the contract c with the new names of its services.
func renamed(c *contract.Contract, renames []Rename) *contract.Contract {
	if c == nil {
		return nil
	}
	now := *c
	now.Services = slices.Clone(c.Services)
	for _, r := range renames {
		for i, s := range now.Services {
			if r.ofService() && s.Type == r.From.Type {
				now.Services[i].Type = r.To.Type
			}
		}
	}
	return &now
}

// followed are the renames with the new names of services: a method may be told by the name its service had, and by that
// it has now. One that only its service takes elsewhere is none.
func followed(renames []Rename) []Rename {
	now := map[string]string{}
	for _, r := range renames {
		if r.ofService() {
			now[r.From.Type] = r.To.Type
		}
	}
	var list []Rename
	for _, r := range renames {
		if !r.ofService() {
			r.From.Type, r.To.Type = cmp.Or(now[r.From.Type], r.From.Type), cmp.Or(now[r.To.Type], r.To.Type)
		}
		if r.From != r.To {
			list = append(list, r)
		}
	}
	return list
}

// successor is the only new service that has most of the methods of one that is gone, as they were.
func successor(gone contract.Service, old, now contract.Contract) (string, bool) {
	var found []string
	for _, s := range now.Services {
		if !slices.ContainsFunc(old.Services, func(o contract.Service) bool { return o.Type == s.Type }) && continues(s, gone) {
			found = append(found, s.Type)
		}
	}
	return strings.Join(found, ""), len(found) == 1
}

// continues reports whether a service has most of the methods of one that is gone, as they were.
func continues(s, gone contract.Service) bool {
	same := 0
	for _, m := range gone.Methods {
		if slices.ContainsFunc(s.Methods, func(is contract.Method) bool { return is.Name == m.Name && is.Same(m) }) {
			same++
		}
	}
	return 2*same > len(gone.Methods)
}

// mixedUp refuses a service that gets the name of one which seems to have another now: your code would serve the wrong one.
func mixedUp(old, now contract.Contract) error {
	var errs diag.List
	for _, was := range old.Services {
		if slices.ContainsFunc(now.Services, func(s contract.Service) bool { return s.Proto == was.Proto }) {
			continue
		}
		for _, is := range now.Services {
			to, ok := successor(was, old, now)
			if is.Type != was.Type || !ok || continues(is, was) {
				continue
			}
			r := Rename{Decl{Type: was.Type}, Decl{Type: to}}
			hint := fmt.Sprintf("svcgen regen --rename %s takes your code there; if it is to stay, add %s in a run of its own", r, to)
			errs.Add(diag.Pos{}, hint, "%s would serve %s now, and %s has what it served, the methods of %s", is.Type, is.Proto, to, was.Proto)
		}
	}
	return errs.Err()
}

// renameServices gives services their new names: the type, what makes it, its tests, and in every file what is
// generated for the service. Comments and strings stay as they are.
func (e *editor) renameServices() error {
	for _, r := range e.plan.renames {
		if !r.ofService() {
			continue
		}
		has, err := e.mayRename(r)
		if err != nil {
			return err
		}
		from, to := r.From.Type, r.To.Type
		own := map[string]string{}
		if has {
			own[from], own["New"+from] = to, "New"+to
			for _, m := range append(e.plan.methods(to), e.plan.leaving(to)...) {
				own["Test"+from+"_"+m] = "Test" + to + "_" + m
			}
		}
		files := map[string]string{}
		edits := goedit.RenameDeclared(e.plan.Package, e.folder(), own)
		for _, name := range slices.Sorted(maps.Keys(e.files)) {
			f, errs := e.parse(name)
			if errs != nil {
				continue // of another package, or told by rename
			}
			made := slices.Concat(edits[name], f.RenameSelected(e.plan.module+"/"+e.plan.Folder, own),
				f.RenameSelected(e.plan.stubs[to], e.plan.stubNames(r)))
			if len(made) > 0 {
				pos := f.Pos(slices.MinFunc(made, func(a, b goedit.Edit) int { return a.Start - b.Start }).Start)
				e.files[name] = goedit.Apply(e.files[name], made)
				e.notes = append(e.notes, note{file: name, pos: pos, message: fmt.Sprintf("%s is %s now, as you said", from, to)})
			}
			if has {
				e.followService(name, r, files)
			}
		}
		e.move(files)
	}
	return nil
}

// mayRename reports whether the type is the user's still, and refuses to make two of one name.
func (e *editor) mayRename(r Rename) (has bool, err error) {
	pkg, err := e.pkg()
	if err != nil {
		return false, err
	}
	if !pkg.HasType(r.From.Type) {
		_, known := e.plan.goNames[r.From.Type]
		if left := slices.ContainsFunc(e.plan.methods(r.To.Type), func(m string) bool { return len(pkg.Methods(r.From.Type, m)) > 0 }); known && !left {
			return false, nil // all of it was as svcgen had made it, and is made again
		}
		return false, diag.List{{Message: fmt.Sprintf("--rename %s: no type %s is declared in %s", r, r.From.Type, e.plan.Folder)}}
	}
	if pos, there := pkg.TypePos(r.To.Type); there {
		return false, taken(r, r.To.Type, pos)
	}
	for _, m := range e.plan.methods(r.To.Type) {
		was, is := pkg.Methods(r.From.Type, m), pkg.Methods(r.To.Type, m)
		if len(was) > 0 && len(is) > 0 {
			return false, taken(r, Decl{r.To.Type, m}.String(), is[0].Pos())
		}
	}
	return true, nil
}

// followService notes in files that name, if it is called after the service, goes with it.
func (e *editor) followService(name string, r Rename, files map[string]string) {
	if path.Dir(name) != e.plan.Folder {
		return
	}
	old, base := naming.Snake(r.From.Type), path.Base(name)
	for _, m := range append([]string{""}, e.plan.methods(r.To.Type)...) {
		own := old + ".go"
		if m != "" {
			own = old + "_" + naming.Snake(m) + ".go"
		}
		to := e.plan.Places[Decl{r.To.Type, m}]
		switch {
		case to == "":
		case base == own:
			files[name] = to
		case base == testOf(own):
			files[name] = testOf(to)
		}
	}
}

// methods are the names of the methods of a service.
func (p Plan) methods(typ string) []string {
	var names []string
	for d := range p.declared {
		if d.Type == typ {
			names = append(names, d.Method)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// leaving are the names that methods of a service had, and have no more by a rename.
func (p Plan) leaving(typ string) []string {
	var names []string
	for _, r := range p.renames {
		if r.From.Type == typ && r.From.Method != "" {
			names = append(names, r.From.Method)
		}
	}
	return names
}

// stubNames are the names that protoc-gen-go-grpc makes of the name of a service, old to new.
func (p Plan) stubNames(r Rename) map[string]string {
	from, to := cmp.Or(p.goNames[r.From.Type], r.From.Type), p.goNames[r.To.Type]
	names := map[string]string{}
	for _, form := range []string{
		"%sServer", "%sClient", "New%sClient", "Register%sServer", "Unimplemented%sServer", "Unsafe%sServer", "%s_ServiceDesc",
	} {
		names[fmt.Sprintf(form, from)] = fmt.Sprintf(form, to)
	}
	for _, m := range p.methods(r.To.Type) {
		for _, form := range []string{"%s_%s_FullMethodName", "%s_%sServer", "%s_%sClient"} {
			names[fmt.Sprintf(form, from, m)] = fmt.Sprintf(form, to, m)
		}
	}
	return names
}
