package reconcile

import (
	"errors"
	"io/fs"

	"github.com/svcgen/svcgen/generator/fileset"
)

// Strays are files in the folders that are svcgen's which no plan knows: left behind by hand, by another tool or by
// a merge. They are compiled with the rest, so a check has to see them; regen does not remove what it did not write.
func (t *Tree) Strays(set *fileset.Set) ([]string, error) {
	lock, err := t.Lock()
	if err != nil {
		return nil, err
	}
	var strays []string
	for _, folder := range generated {
		err := fs.WalkDir(t.FS(), folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			_, planned := set.Get(name)
			if _, known := lock.Files[name]; !planned && !known {
				strays = append(strays, name)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return strays, nil
}
