package ir

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/mod/module"

	"github.com/svcgen/svcgen/generator/naming"
)

// identity checks the service's name and module beyond what the manifest's grammar does.
func (r *resolver) identity() {
	m := r.manifest
	switch {
	case naming.Device(m.Name):
		r.list.Add(m.Pos("name"), "choose another name", "name %s is a device on Windows: cmd/%s could not be checked out there", m.Name, m.Name)
	case m.Name == "internal", m.Name == "vendor", m.Name == "testdata":
		r.list.Add(m.Pos("name"), "choose another name", "name %s has a meaning to the go command as a folder", m.Name)
	}
	hint := "write a path such as github.com/acme/" + m.Name
	if err := module.CheckPath(m.Module); err != nil {
		r.list.Add(m.Pos("module"), hint, "module is no Go module path: %s", pathReason(err))
	} else if elems := strings.Split(m.Module, "/"); slices.Contains(elems, "vendor") {
		r.list.Add(m.Pos("module"), hint, "module has an element vendor, below which the go command builds nothing of its own")
	} else if i := slices.IndexFunc(elems, func(e string) bool { return e[0] == '-' }); i >= 0 {
		r.list.Add(m.Pos("module"), hint, "module has an element %s, which the go command takes for a flag", elems[i])
	}
}

// pathReason is a module path error without the path, which stands right below in the excerpt.
func pathReason(err error) string {
	if e, ok := errors.AsType[*module.InvalidPathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
