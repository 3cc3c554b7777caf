package cli

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// listing is every file and folder below dir with its mode, size and modification time. What svcgen remembers for
// this machine only, out of version control, is left out with the folder it comes and goes in.
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
		slash := filepath.ToSlash(name)
		if strings.HasSuffix(slash, "/.svcgen") || strings.HasSuffix(slash, "/.svcgen/local") || strings.HasSuffix(slash, "/.svcgen/compiled") {
			return nil
		}
		_, err = fmt.Fprintf(&b, "%s %v %d %d\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return err
	})
	return b.String(), err
}
