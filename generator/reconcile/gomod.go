package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// mergeGoMod raises the requirements of ours to those of theirs. Nothing goes down and nothing goes away: a version
// the user chose stays when it is newer, and so does a module svcgen needs no more, which go mod tidy removes.
func mergeGoMod(ours, theirs []byte) ([]byte, error) {
	mine, err := modfile.Parse("go.mod", ours, nil)
	if err != nil {
		if list, ok := errors.AsType[modfile.ErrorList](err); ok {
			err = &list[0] // a message is one line
		}
		return nil, fmt.Errorf("your go.mod cannot be read: %w", err)
	}
	want, err := modfile.Parse("go.mod", theirs, nil)
	if err != nil {
		return nil, fmt.Errorf("the go.mod for your service: %w", err)
	}
	if mine.Module != nil && want.Module != nil && mine.Module.Mod.Path != want.Module.Mod.Path {
		if err := mine.AddModuleStmt(want.Module.Mod.Path); err != nil { // all that is generated imports from there
			return nil, err
		}
	}
	if want.Go != nil && (mine.Go == nil || semver.Compare("v"+want.Go.Version, "v"+mine.Go.Version) > 0) {
		if err := mine.AddGoStmt(want.Go.Version); err != nil {
			return nil, err
		}
	}
	have := make(map[string]*modfile.Require, len(mine.Require))
	for _, r := range mine.Require {
		have[r.Mod.Path] = r
	}
	for _, r := range want.Require {
		own, ok := have[r.Mod.Path]
		switch {
		case !ok:
			mine.AddNewRequire(r.Mod.Path, r.Mod.Version, r.Indirect)
		case semver.Compare(r.Mod.Version, own.Mod.Version) > 0:
			if err := mine.AddRequire(r.Mod.Path, r.Mod.Version); err != nil {
				return nil, err
			}
		}
	}
	mine.Cleanup()
	merged, err := mine.Format()
	if err != nil {
		return nil, err
	}
	// A path the parser takes alone, such as a parenthesis, is not always one in the block it comes to stand in.
	if _, err := modfile.Parse("go.mod", merged, nil); err != nil {
		return nil, fmt.Errorf("the merged go.mod: %w", err)
	}
	return merged, nil
}

// mergeGoSum is every line of both. The go command takes more lines than it needs.
func mergeGoSum(ours, theirs []byte) []byte {
	var lines [][]byte
	for _, text := range [][]byte{ours, theirs} {
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				lines = append(lines, line)
			}
		}
	}
	slices.SortFunc(lines, bytes.Compare)
	lines = slices.CompactFunc(lines, bytes.Equal)
	return append(bytes.Join(lines, []byte("\n")), '\n')
}
