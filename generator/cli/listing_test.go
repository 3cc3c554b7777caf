package cli

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// listing is every file and folder below dir with its mode, size and modification time.
func listing(dir string) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(&b, "%s %v %d %d\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return err
	})
	return b.String(), err
}
