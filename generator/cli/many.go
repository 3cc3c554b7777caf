package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// everyTree is the end of an argument that means all services below a folder, as for the go command.
const everyTree = "..."

// runEvery runs regen in every service below a folder. One that fails does not keep the others from theirs; the exit
// code is that of the first that failed.
func (a *app) runEvery(cmd *cobra.Command, f regenFlags, arg string) error {
	root := filepath.Clean(strings.TrimSuffix(arg, everyTree))
	trees, err := treesBelow(root)
	if err != nil {
		return err
	}
	if len(trees) == 0 {
		return usage("no "+reconcile.LockName+" in or below "+root, "svcgen new makes a service")
	}
	code, failed := exitDone, 0
	for i, dir := range trees {
		a.notef("[%d/%d] %s\n", i+1, len(trees), diag.Escape(dir))
		err := a.regenTree(cmd, f, dir)
		if err == nil {
			continue
		}
		failed++
		if c := a.exit(err); code == exitDone {
			code = c
		}
	}
	if failed == 0 {
		return nil
	}
	var list diag.List
	list.Add(diag.Pos{}, "", "%d of %d services failed", failed, len(trees))
	return &failure{code, list}
}

// treesBelow are the folders with a service in them.
func treesBelow(root string) ([]string, error) {
	var trees []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if name != root && d.IsDir() && reconcile.NoPackages(d.Name()) {
			return fs.SkipDir
		}
		found := false
		if err == nil && d.IsDir() {
			found, err = reconcile.IsTree(name)
		}
		if found {
			trees = append(trees, name)
		}
		if errors.Is(err, fs.ErrPermission) && name != root { // such as that of a database
			return fs.SkipDir
		}
		return err
	})
	return trees, err
}
