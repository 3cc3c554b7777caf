package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// treesBelow are the folders with a svcgen.lock. Hidden and vendored ones are skipped, as the go command does.
func treesBelow(root string) ([]string, error) {
	var trees []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		base := d.Name()
		if name != root && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || slices.Contains([]string{"vendor", "testdata", "node_modules"}, base)) {
			return fs.SkipDir
		}
		_, err = os.Lstat(filepath.Join(name, reconcile.LockName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		trees = append(trees, name)
		return err
	})
	return trees, err
}
