package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/parallel"
)

// errDiffers ends a comparison.
var errDiffers = errors.New("differs")

// Current reports whether nothing can be left to do: the tree was written by this svcgen from inputs that are the
// same still, and what svcgen wrote is there unchanged. It compiles nothing. It trusts a file whose size and time
// are those that were remembered, and reads only the others.
func (t *Tree) Current(lock Lock, p Program) (bool, error) {
	if lock.unmerged || lock.Version != p.Version || len(lock.Inputs) == 0 {
		return false, nil
	}
	known := t.memory()
	if p.Development {
		if same, err := t.sameProgram(known, p); err != nil || !same {
			return false, err
		}
	}
	want := lock.wants()
	err := t.eachFolder(want, func(folder *os.Root, dir string, names []string) error {
		here := Tree{root: folder}
		for _, base := range names {
			name := path.Join(dir, base)
			info, err := folder.Lstat(base)
			if errors.Is(err, fs.ErrNotExist) && want[name] == "" {
				continue
			}
			if err == nil && known.still(known.files[name], info) && known.files[name].hash == want[name] {
				continue
			}
			f, err := here.look(base)
			if err != nil || !f.exists || f.hash != want[name] {
				return errDiffers // what cannot be read is told by the whole run, with its path
			}
		}
		return nil
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, err
}

// sameProgram reports whether the tree was last left with nothing to do by the development build p.
func (t *Tree) sameProgram(known memory, p Program) (bool, error) {
	if known.program.hash == "" {
		return false, nil
	}
	text, err := t.root.ReadFile(LockName)
	if err != nil {
		return false, err
	}
	if Hash(text) != known.lock {
		return false, nil // written since, perhaps by another build on another machine
	}
	now, err := known.recognise(p)
	if err != nil {
		return false, nil //nolint:nilerr // an executable that cannot be read is no known one
	}
	return now.hash == known.program.hash, nil
}

// wants are the hashes of the files that make a tree current; empty for what must not be there.
func (l Lock) wants() map[string]string {
	want := make(map[string]string, len(l.Inputs)+len(l.Files))
	for _, in := range l.Inputs {
		want[in.Path] = in.Hash
	}
	for name, entry := range l.Files {
		switch {
		case entry.Owner == fileset.Svcgen && len(entry.Hashes) > 0:
			want[name] = entry.Hashes[0]
		case entry.Variant != "":
			want[name+PendingSuffix] = ""
		case entry.Owner == fileset.Merged:
			want[name+PendingSuffix] = ""
			for _, hash := range entry.Hashes {
				want[baseName(hash)] = hash
			}
		}
	}
	return want
}

// batch is how many files of one folder are looked at in a row.
const batch = 250

// eachFolder calls do for the files in want, folder by folder and for several at the same time: a path is walked once
// for many files of a folder. A folder that is not there is an error only where a file of it is wanted: errDiffers.
func (t *Tree) eachFolder(want map[string]string, do func(folder *os.Root, dir string, names []string) error) error {
	folders := map[string][]string{}
	for name := range want {
		dir := path.Dir(name)
		folders[dir] = append(folders[dir], path.Base(name))
	}
	var group parallel.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	look := func(dir string, names []string) {
		group.Go(func() error {
			folder, err := t.root.OpenRoot(dir)
			if errors.Is(err, fs.ErrNotExist) || isNotDirectory(err) {
				if slices.ContainsFunc(names, func(base string) bool { return want[path.Join(dir, base)] != "" }) {
					return errDiffers
				}
				return nil
			}
			if err != nil {
				return err
			}
			return errors.Join(do(folder, dir, names), folder.Close())
		})
	}
	for dir, names := range folders {
		for some := range slices.Chunk(names, batch) {
			look(dir, some)
		}
	}
	return group.Wait()
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}
