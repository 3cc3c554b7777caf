package schema

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
)

// maxParents is how far above a file its import root is looked for.
const maxParents = 12

// RootsOfFile guesses the import roots of a proto file that comes without a manifest, and what the file is called
// relative to them. Extra roots, as -I takes them, are searched behind the guessed one.
//
// The root is the folder that the proto package suggests (the one above acme/orders/v1 for acme.orders.v1), or else the
// nearest of the file's folder and those around it in which its imports are found. Imports that are found in none
// may still be there under a shorter path, as in a Go module whose protos import each other by a name that was given to
// it elsewhere: etcd/api/mvccpb/kv.proto beside the folder mvccpb. That makes a root with a prefix.
func RootsOfFile(name string, extra []string) (importPath string, roots []Root, err error) {
	src, err := readProto(name)
	if err != nil {
		return "", nil, err
	}
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", nil, fmt.Errorf("find the folder of %s: %w", name, err)
	}
	var more []Root
	for _, s := range extra {
		root := ParseRoot(s)
		if !isDir(root.Dir) {
			return "", nil, diag.List{{Message: "import root " + s + " is not a folder", Hint: "give -I a folder, or PREFIX=FOLDER"}}
		}
		more = append(more, root)
	}
	// A root given by hand that holds the file says what the file is called.
	for _, root := range more {
		if rel, ok := within(root.Dir, abs); ok {
			return path.Join(root.Prefix, rel), more, nil
		}
	}
	imports := importsOf(src)
	best := bestRoot(abs, packageOf(src), imports)
	rel, _ := within(best, abs)
	if found(best, imports) == 0 {
		if root, ok := prefixed(abs, imports); ok {
			rel, _ := within(root.Dir, abs)
			root.Dir = spelled(name, abs, root.Dir)
			return path.Join(root.Prefix, rel), append([]Root{root}, more...), nil
		}
	}
	return rel, append([]Root{{Dir: spelled(name, abs, best)}}, more...), nil
}

// readProto is the content of a proto named on the command line.
func readProto(name string) ([]byte, error) {
	dir, base := filepath.Split(name)
	root, err := Root{Dir: filepath.Clean(dir)}.open()
	if err != nil {
		return nil, diag.List{{Message: fmt.Sprintf("cannot read %s: %s", name, reason(err))}}
	}
	defer func() { _ = root.close() }() // opened for reading only
	src, err := root.read(base, DefaultClosureSize)
	if err != nil {
		return nil, diag.List{{Message: fmt.Sprintf("cannot read %s: %s", name, reason(err))}}
	}
	return src, nil
}

// bestRoot is the folder from which most imports are found: the one the package suggests, the file's own, or one
// around it; of equals the first.
func bestRoot(abs, pkg string, imports []string) string {
	dir := filepath.Dir(abs)
	candidates := []string{dir}
	if suggested, ok := strings.CutSuffix(dir, filepath.FromSlash("/"+strings.ReplaceAll(pkg, ".", "/"))); ok && pkg != "" {
		candidates = []string{suggested, dir}
	}
	for range maxParents {
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
		candidates = append(candidates, dir)
	}
	best, most := candidates[0], -1
	for _, c := range candidates {
		if n := found(c, imports); n > most {
			best, most = c, n
		}
	}
	return best
}

// found counts the imports that are files in dir.
func found(dir string, imports []string) int {
	n := 0
	for _, imp := range imports {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(imp))); err == nil && info.Mode().IsRegular() {
			n++
		}
	}
	return n
}

// prefixed is a root in which an import is found under a shorter path. The longest such path wins.
func prefixed(abs string, imports []string) (Root, bool) {
	for _, imp := range imports {
		elems := strings.Split(imp, "/")
		for cut := 1; cut < len(elems); cut++ {
			dir := filepath.Dir(abs)
			for range maxParents {
				if found(dir, []string{path.Join(elems[cut:]...)}) == 1 {
					return Root{Dir: dir, Prefix: path.Join(elems[:cut]...)}, true
				}
				dir = filepath.Dir(dir)
			}
		}
	}
	return Root{}, false
}

// within is the path of abs relative to dir, with slashes, if it lies in it.
func within(dir, abs string) (string, bool) {
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(absDir, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// spelled is the folder dir in the way the user named the file: relative if that was, so that messages are.
func spelled(name, abs, dir string) string {
	if filepath.IsAbs(name) {
		return dir
	}
	back, err := filepath.Rel(filepath.Dir(abs), dir)
	if err != nil {
		return dir
	}
	return filepath.Join(filepath.Dir(name), back)
}

// packageOf and importsOf read a proto well enough to find its root. What they miss, the compiler will report.
func packageOf(src []byte) string {
	m := regexp.MustCompile(`(?m)^\s*package\s+([\w.]+)\s*;`).FindSubmatch(src)
	if m == nil {
		return ""
	}
	return string(m[1])
}

func importsOf(src []byte) []string {
	var imports []string
	for _, m := range regexp.MustCompile(`(?m)^\s*import\s+(?:public\s+|weak\s+)?["']([^"']+)["']\s*;`).FindAllSubmatch(src, -1) {
		if imp := string(m[1]); fs.ValidPath(imp) && lookupKnown(imp) == nil {
			imports = append(imports, imp)
		}
	}
	return imports
}
