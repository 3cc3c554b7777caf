package reconcile

import (
	"fmt"
	"path"
	"slices"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/merge"
)

// merged plans a file that is the user's and is kept current: what changed between the base, which is what svcgen
// last rendered, and what it renders now is merged into the user's file.
func (p *planner) merged(f fileset.File) error {
	disk, pending := p.disk[f.Path], p.disk[f.Path+PendingSuffix]
	baseName := path.Join(baseDir, f.Path)
	base := p.disk[baseName]
	known, was := p.old.Files[f.Path]
	if base.exists && was && !slices.Contains(known.Hashes, base.hash) {
		return fmt.Errorf("%s was changed by hand: restore it from version control, merges start from it", baseName)
	}

	hash := Hash(f.Content)
	p.next.Files[f.Path] = Entry{Owner: f.Owner, Hashes: []string{hash}}
	if base.hash != hash {
		p.changes.put(baseName, fileset.Svcgen, base, f.Content, f.Mode)
	}
	switch {
	case !disk.exists && was:
		p.changes.Kept = append(p.changes.Kept, Kept{Path: f.Path, Why: "deleted by you"})
	case !disk.exists:
		p.changes.act(Action{Path: f.Path, Op: Create, Owner: f.Owner, New: f.Content})
		p.changes.put(f.Path, f.Owner, disk, f.Content, f.Mode)
	case pending.exists && base.hash == hash:
		p.changes.act(Action{
			Path: f.Path, Op: Conflict, Owner: f.Owner, Old: disk.content, New: disk.content,
			Note: fmt.Sprintf("merge %s into it by hand, then delete that file", path.Base(f.Path+PendingSuffix)),
		})
	case disk.hash == hash, base.hash == hash:
		p.changes.Unchanged++
	case disk.regular && base.exists && disk.hash == base.hash, !base.exists && p.ours(f.Path, disk):
		p.changes.act(Action{Path: f.Path, Op: Update, Owner: f.Owner, Old: disk.content, New: f.Content})
		p.changes.put(f.Path, f.Owner, disk, f.Content, f.Mode)
	default:
		return p.threeWay(f, base, disk, pending)
	}
	return nil
}

func (p *planner) threeWay(f fileset.File, base, disk, pending found) error {
	why := "it was here before svcgen knew of it"
	if disk.regular && base.exists {
		why = "your changes and svcgen's touch the same lines"
		text, conflicts := merge.ThreeWay(base.content, disk.content, f.Content)
		if conflicts == nil {
			p.changes.act(Action{Path: f.Path, Op: Merge, Owner: f.Owner, Old: disk.content, New: text})
			p.changes.put(f.Path, f.Owner, disk, text, f.Mode)
			return nil
		}
	}
	p.conflict(f, disk, pending, why)
	return nil
}
