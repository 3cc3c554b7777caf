package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// mergeGoMod raises the requirements of ours to those of theirs. Nothing goes down: a version the user chose stays when it is
// newer. What svcgen required in base and needs no more goes, unless used says that other code names it; what is required
// indirectly is left to go mod tidy. Lines of the user's stay where they are.
func mergeGoMod(base, ours, theirs []byte, used func(module string) bool) ([]byte, error) {
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
	if want.Module != nil && (mine.Module == nil || mine.Module.Mod.Path != want.Module.Mod.Path) {
		lost := mine.Module == nil
		if err := mine.AddModuleStmt(want.Module.Mod.Path); err != nil { // all that is generated imports from there
			return nil, err
		}
		if last := len(mine.Syntax.Stmt) - 1; lost && last > 0 { // as the last one
			mine.Syntax.Stmt = slices.Insert(mine.Syntax.Stmt[:last], 0, mine.Syntax.Stmt[last])
		}
	}
	if want.Go != nil && (mine.Go == nil || semver.Compare("v"+want.Go.Version, "v"+mine.Go.Version) > 0) {
		if err := mine.AddGoStmt(want.Go.Version); err != nil {
			return nil, err
		}
	}
	have := make(map[string]*modfile.Require, len(mine.Require))
	for _, r := range mine.Require {
		if own := have[r.Mod.Path]; own == nil || semver.Compare(r.Mod.Version, own.Mod.Version) > 0 { // of two the newer one counts
			have[r.Mod.Path] = r
		}
	}
	for i, r := range want.Require {
		own, ok := have[r.Mod.Path]
		switch {
		case !ok:
			require(mine, r, neighbour(want.Require, i, have))
		case semver.Compare(r.Mod.Version, own.Mod.Version) > 0:
			if err := mine.AddRequire(r.Mod.Path, r.Mod.Version); err != nil {
				return nil, err
			}
		}
		if ok && !r.Indirect && onlyIndirect(own) { // as unrequire left it
			own.Syntax.Suffix = nil
		}
	}
	if before, err := modfile.Parse("go.mod", base, nil); err == nil {
		unrequire(mine, before.Require, want.Require, used)
	}
	sweep(mine.Syntax)
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

// neighbour is the requirement in have that stands nearest to the i-th of list, and is as direct; nil where there is none.
func neighbour(list []*modfile.Require, i int, have map[string]*modfile.Require) *modfile.Require {
	before := slices.Clone(list[:i])
	slices.Reverse(before)
	for _, r := range slices.Concat(before, list[i:]) {
		if own := have[r.Mod.Path]; own != nil && r.Indirect == list[i].Indirect {
			return own
		}
	}
	return nil
}

// require adds r to the block in which the requirement beside it is, where it belongs by its name. modfile would add it to the
// last block, whosever that is.
func require(file *modfile.File, r, beside *modfile.Require) {
	line := &modfile.Line{Token: []string{modfile.AutoQuote(r.Mod.Path), r.Mod.Version}}
	if r.Indirect {
		line.Suffix = []modfile.Comment{indirect}
	}
	for i, stmt := range file.Syntax.Stmt {
		switch stmt := stmt.(type) {
		case *modfile.Line:
			if beside != nil && stmt == beside.Syntax {
				line.Token = slices.Insert(line.Token, 0, "require")
				file.Syntax.Stmt = slices.Insert(file.Syntax.Stmt, i+1, modfile.Expr(line))
				return
			}
		case *modfile.LineBlock:
			if beside == nil || !slices.Contains(stmt.Line, beside.Syntax) {
				continue
			}
			line.InBlock = true
			at := slices.Index(stmt.Line, beside.Syntax) + 1
			for at < len(stmt.Line) && len(stmt.Line[at].Token) > 0 && stmt.Line[at].Token[0] < line.Token[0] {
				at++
			}
			stmt.Line = slices.Insert(stmt.Line, at, line)
			return
		}
	}
	file.AddNewRequire(r.Mod.Path, r.Mod.Version, r.Indirect)
}

var indirect = modfile.Comment{Token: "// indirect", Suffix: true}

// onlyIndirect reports whether a requirement is marked as indirect, and says nothing else.
func onlyIndirect(r *modfile.Require) bool {
	return r.Syntax != nil && len(r.Syntax.Suffix) == 1 && r.Syntax.Suffix[0].Token == indirect.Token
}

// unrequire takes back what is in before, as it was, and not in want. Where the user requires modules of their own, one of those may
// need it: it is required indirectly then.
func unrequire(mine *modfile.File, before, want []*modfile.Require, used func(module string) bool) {
	others := slices.ContainsFunc(mine.Require, func(r *modfile.Require) bool {
		return !requires(before, r.Mod.Path) && !requires(want, r.Mod.Path)
	})
	for _, r := range before {
		i := slices.IndexFunc(mine.Require, func(own *modfile.Require) bool {
			return own.Syntax != nil && own.Mod == r.Mod && len(own.Syntax.Before)+len(own.Syntax.Suffix) == 0
		})
		tool := slices.ContainsFunc(mine.Tool, func(t *modfile.Tool) bool { return strings.HasPrefix(t.Path, r.Mod.Path) })
		switch {
		case i < 0 || r.Indirect || tool || requires(want, r.Mod.Path) || used(r.Mod.Path):
		case others:
			mine.Require[i].Syntax.Suffix = []modfile.Comment{indirect}
		default:
			mine.Require[i].Syntax.Token = nil
		}
	}
}

// needed reports whether a module that was required, and is not now, is used.
func needed(was, now []byte, used func(module string) bool) bool {
	before, err := modfile.Parse("go.mod", was, nil)
	if err != nil {
		return false
	}
	after, err := modfile.Parse("go.mod", now, nil)
	return err == nil && slices.ContainsFunc(before.Require, func(r *modfile.Require) bool {
		return !requires(after.Require, r.Mod.Path) && used(r.Mod.Path)
	})
}

func requires(list []*modfile.Require, module string) bool {
	return slices.ContainsFunc(list, func(r *modfile.Require) bool { return r.Mod.Path == module })
}

// sweep removes lines without tokens, and blocks that have lost all of theirs. modfile's own Cleanup also makes a line of a
// block that has one.
func sweep(file *modfile.FileSyntax) {
	none := func(l *modfile.Line) bool { return len(l.Token) == 0 }
	file.Stmt = slices.DeleteFunc(file.Stmt, func(stmt modfile.Expr) bool {
		switch stmt := stmt.(type) {
		case *modfile.Line:
			return none(stmt)
		case *modfile.LineBlock:
			n := len(stmt.Line)
			stmt.Line = slices.DeleteFunc(stmt.Line, none)
			said := len(stmt.Before) + len(stmt.Suffix) + len(stmt.LParen.Suffix) + len(stmt.RParen.Before) + len(stmt.RParen.Suffix)
			return n > 0 && len(stmt.Line) == 0 && said == 0
		}
		return false
	})
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
