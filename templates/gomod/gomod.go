// Package gomod holds the go.mod and go.sum of every service that can be emitted, resolved and checked when
// svcgen is built: one pair for each database and broker, and one for each module that a service needs only when
// its protos import what the module provides. A choice and a module path go in, two complete files come out, so
// that an emitted service builds without resolving anything. Versions are those of svcgen's own go.mod; the files
// under data are written by "go test ./templates/gomod -update".
package gomod

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

//go:embed data
var data embed.FS

// ErrOwnModule is returned for a service whose module path is that of a module it needs: the go command would look for that
// module in the service.
var ErrOwnModule = errors.New("the module path is that of a module the service needs")

// Files returns the go.mod and go.sum of the service modulePath that uses database and broker, and the packages
// of the modules extra besides. A module that every service requires anyway may be among extra.
func Files(database, broker string, extra []string, modulePath string) (mod, sum []byte, err error) {
	lock, err := load(baseName(database, broker))
	if err != nil {
		return nil, nil, fmt.Errorf("go.mod for database %s and broker %s: %w", database, broker, err)
	}
	for _, path := range slices.Compact(slices.Sorted(slices.Values(extra))) {
		if r, ok := lock.requires[path]; ok && !r.Indirect {
			continue
		}
		more, err := load(extraName(path))
		if err != nil {
			return nil, nil, fmt.Errorf("go.mod with module %s: %w", path, err)
		}
		if err := lock.add(more); err != nil {
			return nil, nil, fmt.Errorf("go.mod with module %s: %w", path, err)
		}
	}
	if _, ok := lock.requires[modulePath]; ok {
		return nil, nil, ErrOwnModule
	}
	mod, err = lock.goMod(modulePath)
	return mod, lock.goSum(), err
}

// baseName and extraName are files under data, without .mod, .sum and, for an extra that has any, .implied. The names cannot be
// go.mod: a folder with a go.mod is another module's, and not embedded.
func baseName(database, broker string) string { return database + "-" + broker }

func extraName(path string) string { return "extra/" + strings.ReplaceAll(path, "/", "_") }

// lock is a parsed go.mod with its go.sum.
type lock struct {
	goVersion string
	requires  map[string]modfile.Require // by path
	sums      map[module.Version]string  // lines of go.sum; the version of a go.mod's line ends in /go.mod
	implied   []string                   // paths that need no requirement of their own where these are required
}

func load(name string) (*lock, error) {
	mod, err := data.ReadFile("data/" + name + ".mod")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("no such file was prepared")
	}
	if err != nil {
		return nil, err
	}
	sum, err := data.ReadFile("data/" + name + ".sum")
	if err != nil {
		return nil, err
	}
	l, err := parse(mod, sum)
	if err != nil {
		return nil, err
	}
	implied, err := data.ReadFile("data/" + name + ".implied")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l.implied = strings.Fields(string(implied))
	return l, nil
}

func parse(mod, sum []byte) (*lock, error) {
	file, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		return nil, err
	}
	l := &lock{
		goVersion: file.Go.Version,
		requires:  make(map[string]modfile.Require),
		sums:      make(map[module.Version]string),
	}
	for _, r := range file.Require {
		l.requires[r.Mod.Path] = modfile.Require{Mod: r.Mod, Indirect: r.Indirect}
	}
	for line := range strings.Lines(string(sum)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("go.sum: malformed line %q", line)
		}
		l.sums[module.Version{Path: fields[0], Version: fields[1]}] = line
	}
	return l, nil
}

// add makes l the union of both. What one of them imports directly stays direct.
func (l *lock) add(more *lock) error {
	for path, r := range more.requires {
		have, ok := l.requires[path]
		if ok && have.Mod.Version != r.Mod.Version {
			return fmt.Errorf("%s was prepared at %s and at %s", path, have.Mod.Version, r.Mod.Version)
		}
		if ok {
			r.Indirect = r.Indirect && have.Indirect
		}
		l.requires[path] = r
	}
	maps.Copy(l.sums, more.sums)
	l.implied = append(l.implied, more.implied...)
	return nil
}

func (l *lock) goMod(modulePath string) ([]byte, error) {
	file := new(modfile.File)
	if err := file.AddModuleStmt(modulePath); err != nil {
		return nil, err
	}
	if err := file.AddGoStmt(l.goVersion); err != nil {
		return nil, err
	}
	var requires []*modfile.Require
	for _, path := range slices.Sorted(maps.Keys(l.requires)) {
		if r := l.requires[path]; !slices.Contains(l.implied, path) {
			requires = append(requires, &r)
		}
	}
	file.SetRequireSeparateIndirect(requires)
	file.Cleanup()
	file.SortBlocks()
	return file.Format()
}

func (l *lock) goSum() []byte {
	keys := slices.Collect(maps.Keys(l.sums))
	module.Sort(keys)
	var b bytes.Buffer
	for _, key := range keys {
		b.WriteString(l.sums[key])
	}
	return b.Bytes()
}
