package evolve

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/svcgen/svcgen/generator/goedit"
	"github.com/svcgen/svcgen/generator/ir"
)

// Before begins the comment by which the new stub of a method points to the file with the old one.
const Before = "What it was before its streaming changed is in"

// park renames methods whose body cannot serve the new streaming kind. They go on compiling as ordinary methods. Where
// one of those can serve it again, it has its name back.
func (e *editor) park() error {
	all := maps.Clone(e.plan.changed)
	maps.Copy(all, e.plan.added)
	var pkg *goedit.Package
	for _, decl := range sorted(all) {
		s, added := all[decl], e.plan.Added(decl)
		if s.kind == s.was && !s.unsure {
			continue
		}
		var err error
		if pkg == nil {
			pkg, err = e.pkg()
		}
		if err != nil {
			return err
		}
		found := slices.DeleteFunc(pkg.Methods(decl.Type, decl.Method), func(m goedit.Method) bool {
			if _, err := m.Retype(s.want); s.unsure {
				return err == nil
			}
			return m.Fits(s.anew())
		})
		if len(found) == 0 {
			continue
		}
		to := e.free(pkg, decl, found[0].Unary())
		before, back := e.parkedBefore(pkg, decl, s, found)
		if added && !back {
			continue // told by meet
		}
		then := "a new one stands in a file of its own"
		if back {
			then = before.Method + ", which it was before, has its name again"
		} else {
			e.parked[decl] = found[0].File.Path
		}
		for i, n := range e.notes {
			if n.decl == decl {
				e.notes[i].decl.Method = to
			}
		}
		e.edit(found, Decl{decl.Type, to}, func(m goedit.Method) []goedit.Edit {
			return append(m.Spell(s.aliases, s.stream), m.Rename(to))
		},
			fmt.Sprintf("%s is %s now, which this body cannot serve; the method is %s now, and %s", decl, spoken(s.kind), to, then))
		pkg = nil
		if !back {
			continue
		}
		now, err := e.pkg()
		if err != nil {
			return err
		}
		e.edit(now.Methods(before.Type, before.Method), decl, func(m goedit.Method) []goedit.Edit {
			edits := []goedit.Edit{m.Rename(decl.Method)}
			if before.Type != decl.Type {
				edits = append(edits, m.MoveTo(decl.Type)...)
			}
			return edits
		},
			fmt.Sprintf("%s is %s again, and this is what it was before: it has its name back", decl, spoken(s.kind)))
	}
	return nil
}

// parkedBefore is what a method that got out of the way earlier can serve now: as it is or, where none
// does, with other types. That it did so is said by the stub that took its place: the one it was for, or the one it is itself.
// One that serves an RPC of that name by now stays where it is.
func (e *editor) parkedBefore(pkg *goedit.Package, decl Decl, s signature, now []goedit.Method) (before Decl, ok bool) {
	pointsBack := func(m goedit.Method) bool { return strings.Contains(m.Doc(), Before) }
	unfit := func(m goedit.Method) bool { return !m.Fits(s.anew()) }
	unlike := func(m goedit.Method) bool { return !m.Alike(s.anew()) }
	parked := slices.Concat(parkedNames(pkg, s.from, s.kind == ir.Unary), parkedNames(pkg, decl, s.kind == ir.Unary))
	for _, cannot := range []func(goedit.Method) bool{unfit, unlike} {
		for _, d := range parked {
			then := pkg.Methods(d.Type, d.Method)
			can := len(then) > 0 && !e.plan.declared[d] && !slices.ContainsFunc(then, cannot)
			if can && slices.ContainsFunc(slices.Concat(now, then), pointsBack) {
				return d, true
			}
		}
	}
	return Decl{}, false
}

// parkedNames are what the package declares that a method may have become to be out of the way.
func parkedNames(pkg *goedit.Package, decl Decl, unary bool) []Decl {
	var names []string
	for _, f := range pkg.Files() {
		for _, d := range f.Declares() {
			n, is := strings.CutPrefix(d.Name, parkedName(decl.Method, unary, 1))
			if _, err := strconv.Atoi(n); is && (n == "" || err == nil) {
				names = append(names, d.Name)
			}
		}
	}
	slices.Sort(names)
	var parked []Decl
	for _, name := range slices.Compact(names) {
		parked = append(parked, Decl{decl.Type, name})
	}
	return parked
}

// free is a name for the method of before that nothing has.
func (e *editor) free(pkg *goedit.Package, decl Decl, unary bool) string {
	for n := 1; ; n++ {
		name := parkedName(decl.Method, unary, n)
		if !pkg.HasMember(decl.Type, name) && !e.plan.declared[Decl{decl.Type, name}] {
			return name
		}
	}
}

// parkedName is the n-th name that a method may get to be out of the way, from 1.
func parkedName(method string, unary bool, n int) string {
	name := method + "Stream"
	if unary {
		name = method + "Unary"
	}
	if n > 1 {
		name += strconv.Itoa(n)
	}
	return name
}

func spoken(k ir.Kind) string {
	return map[ir.Kind]string{
		ir.Unary: "unary", ir.ServerStream: "a server stream", ir.ClientStream: "a client stream", ir.BidiStream: "a stream both ways",
	}[k]
}
