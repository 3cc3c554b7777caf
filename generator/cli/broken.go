package cli

import (
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/reconcile"
	"github.com/svcgen/svcgen/generator/typecheck"
)

// meeting is the one file of svcgen's that does not compile when the user's types lack something.
const meeting = "internal/gen/app/services.go"

// breaks are the lines of the user's that changes would break. Finding them is all svcgen does about it.
func breaks(tree *reconcile.Tree, module string, changes *reconcile.Changes) (diag.List, error) {
	m := typecheck.Module{Path: module, Changed: map[string][]byte{}, Renamed: map[string]string{}}
	for _, action := range changes.Actions {
		if path.Ext(action.Path) != ".go" {
			continue
		}
		m.Changed[action.Path] = action.New
		if action.From != "" {
			m.Renamed[action.Path] = action.From
		}
	}
	if len(m.Changed) == 0 {
		return nil, nil
	}
	var err error
	if m.Files, err = tree.GoFiles(); err != nil {
		return nil, err
	}
	list := m.Broken(func(name string) bool {
		return name == meeting || !slices.Contains(strings.Split(path.Dir(name), "/"), "gen")
	})
	if len(list) > 0 {
		list[len(list)-1].Hint = "svcgen edits no body: these lines are left to you"
	}
	return list, nil
}
