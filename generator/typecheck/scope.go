package typecheck

import (
	"maps"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/parallel"
)

// scope is what of a module a change can matter to.
//
// A line breaks only where it has to do with something that changes, and the only way to that is by a name which the
// package declares, by one that the file imports, or by the name of a method. So what is concerned is what changes, and what has
// a word for what is affected; see effects. Concerned is also a file that imports a package of which files come, go, or get
// another head, one that declares a name by which a file that changes imports something, every file of a package whose files call
// it by different names, and one with a dot import, beside a file that changes: what that declares may be among the names it
// takes. So may be what one of two packages declares.
//
// To check those files others are needed: those that declare what the code to check has words for, and so on. That goes
// for methods, too: one for which there is no word is not called, and no interface asks for it. Beside the packages that can
// see a change, those are looked into whose types meet one that changes: those that the user's import of the user's, those that files asked
// for or changed code import, and what needed code of the user's imports in packages that cannot see the change.
type scope struct {
	folders set             // whose packages are looked into
	made    map[string]bool // of all folders: whether there is code in it that is not the user's
	words   set             // of the code to check
}

// part is what is looked at as a whole: a file, if its lines may be wanted, or else one declaration of it. The bodies of
// functions do not matter there, and a declaration that stays as it is has not changed when others of the file do.
type part struct {
	changes bool
	carries bool // what the changes affect; see effects
	needed  bool // itself, or to check others
	words
}

// reach finds the folders of the scope.
func (c *Change) reach() {
	changing := set{}
	for _, f := range c.files {
		if f.changes() {
			changing[f.folder] = true
		}
	}
	c.folders = reached(c.files, changing)
	c.made = map[string]bool{}
	for _, f := range c.files {
		c.made[f.folder] = c.made[f.folder] || !f.asks
	}
	for n := -1; n < len(c.folders); { // an interface may ask for a method that is affected, and not see the change
		n = len(c.folders)
		for _, f := range c.files {
			for _, folder := range f.imports {
				if made, ours := c.made[folder]; c.folders[f.folder] && !c.made[f.folder] && ours && !made {
					c.folders[folder] = true
				}
			}
		}
	}
}

// meet adds the folders to the scope that code imports which is looked at and changes, is the user's or a test, which makes what the
// code is given. It reports whether there are any.
func (c *Change) meet(from func(*file) bool) bool {
	n := len(c.folders)
	for _, f := range c.files {
		if c.folders[f.folder] && from(f) && (f.changes() || !c.made[f.folder] || strings.HasSuffix(f.name, "_test.go")) {
			c.folders.add(f.imports)
		}
	}
	return len(c.folders) > n
}

// inScope are the files in the folders of the scope.
func (c *Change) inScope() []*file {
	return slices.DeleteFunc(slices.Clone(c.files), func(f *file) bool { return !c.folders[f.folder] })
}

// narrow finds what matters of the files in scope.
func (c *Change) narrow() {
	files := c.inScope()
	c.outline(files)
	changing, turning := set{}, set{}   // folders
	clauses, called := names{}, names{} // of packages, and of what changing files import
	for _, f := range files {
		clauses.add(f.folder, f.packages)
		if f.changes() {
			changing[f.folder] = true
			called.add(f.folder, f.called())
		}
		if f.turns() {
			turning[f.folder] = true
		}
	}
	affected := effectsOf(files)
	_ = parallel.Each(files, func(f *file) error {
		visible := affected.visible(f)
		torn := changing[f.folder] && len(clauses[f.folder]) > 1
		f.present = f.changes() || torn || changing[f.folder] && len(f.dots) > 0 || len(f.dots) > 1 && changing.have(f.dots)
		f.asked = f.asks && (f.present || turning.have(f.imports) || slices.ContainsFunc(f.parts, func(p *part) bool {
			return called[f.folder].have(p.declared) || affected.names[f.folder].have(p.declared) || visible.have(p.outer) || visible.have(p.inner)
		}))
		return nil
	})
	c.need(files)
	first := maps.Clone(c.folders)
	for c.meet(func(f *file) bool { return f.asked || f.present && (f.changes() || !first[f.folder]) }) {
		files = c.inScope()
		c.outline(files)
		c.need(files)
	}
}

// outline finds what files declare, if that is not known.
func (c *Change) outline(files []*file) {
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.parts != nil })
	err := parallel.Each(files, func(f *file) error {
		if err := c.complete(f); err != nil {
			return err
		}
		for _, s := range f.states() {
			if !s.whole {
				s.outline = outlineOf(s.src, f.asks)
			}
		}
		f.divide()
		return nil
	})
	if err != nil {
		c.unread = err
	}
}

// divide makes parts of a file, or one if its lines are wanted.
func (f *file) divide() {
	if f.asks {
		p := &part{changes: f.changes(), words: f.states()[0].all}
		f.parts = []*part{p}
		for i, s := range f.states() {
			if i > 0 {
				p.words.add(s.all)
			}
			s.parts = slices.Repeat(f.parts, len(s.decls))
		}
		return
	}
	turns := f.turns()
	stay := map[string]*part{} // by what is written in them
	for _, s := range f.states() {
		for _, d := range s.decls {
			text := s.text[d.start:d.body]
			p := stay[text]
			if p != nil && s != f.was {
				p.changes = turns
			} else {
				p = &part{changes: f.changes(), words: d.words}
				f.parts = append(f.parts, p)
			}
			if s == f.was && f.changes() {
				stay[text] = p
			}
			s.parts = append(s.parts, p)
		}
	}
}

// excerpt is what is needed of a file in the state s: all of one whose lines are wanted, no bodies of others.
func (s *scope) excerpt(f *file, state *state) []byte {
	if f.asked {
		return state.src
	}
	text := slices.Clone(state.src[:state.head])
	for i, d := range state.decls {
		if state.parts[i].needed && (len(d.methods) == 0 || s.words.have(d.methods)) {
			text = append(append(text, '\n'), state.src[d.start:d.body]...)
		}
	}
	return text
}

// effects are the names of what the changes affect.
//
// That is what something that changes declares, also the types of methods, and what is declared with a word for what is affected,
// outside of function bodies. A method with such a word in its signature is affected by its own name, in every package, and its type
// is not: whoever calls it writes that name, and so does every interface that asks for it. With the type, all that is declared for
// it would be affected.
type effects struct {
	names   names
	methods set
}

// effectsOf are those of the changes in files.
func effectsOf(files []*file) effects {
	dotted := map[string][]string{} // of a folder: those in which its names are taken, too
	for _, f := range files {
		for _, folder := range f.dots {
			dotted[folder] = append(dotted[folder], f.folder)
		}
	}
	e := effects{names{}, set{}}
	for again := true; again; {
		again = false
		for _, f := range files {
			visible := e.visible(f)
			for _, p := range f.parts {
				if p.carries || !p.changes && !visible.have(p.signed) {
					continue
				}
				p.carries, again = true, true
				e.names.add(f.folder, p.declared)
				for _, folder := range dotted[f.folder] {
					e.names.add(folder, p.declared)
				}
				if p.changes {
					e.names.add(f.folder, p.types)
				}
				e.methods.add(p.methods)
				if slices.Contains(p.methods, "Error") {
					e.methods.add([]string{"error"}) // which asks for it, and no file declares it
				}
			}
		}
	}
	return e
}

// visible are the names of what is affected that a file can mean.
func (e effects) visible(f *file) sets {
	visible := sets{e.methods}
	if own := e.names[f.folder]; len(own) > 0 {
		visible = append(visible, own)
	}
	for _, folder := range f.imports {
		if others := e.names[folder]; len(others) > 0 {
			visible = append(visible, others)
		}
	}
	return visible
}

// need notes what is needed to check the files that are asked for.
func (s *scope) need(files []*file) {
	if s.words == nil {
		s.words = set{"Error": true} // of error, which no file declares
	}
	aliases := set{}
	for _, f := range files {
		for _, p := range f.parts {
			aliases.add(p.aliases)
			if p.changes {
				s.words.add(p.methods) // for the hint that what is gone has another name in a new case
			}
		}
		if f.asked && len(f.dots) > 1 {
			for _, other := range files {
				for _, p := range other.parts {
					if slices.Contains(f.dots, other.folder) {
						s.words.add(p.declared) // two may declare the same
					}
				}
			}
		}
	}
	wanted := func(p *part) bool {
		return s.words.have(p.declared) || s.words.have(p.methods) && (s.words.have(p.types) || aliases.have(p.types))
	}
	for again := true; again; {
		again = false
		for _, f := range files {
			for _, p := range f.parts {
				if p.needed || !f.asked && !wanted(p) {
					continue
				}
				p.needed, f.present, again = true, true, true
				s.words.add(p.outer)
				if f.asked {
					s.words.add(p.inner)
					s.words.add(p.declared) // another may declare the same
					s.words.add(p.methods)
				}
			}
		}
	}
}

// reached are the folders from whose code any of the given ones can be seen.
func reached(files []*file, from set) set {
	users := map[string][]string{} // of a folder: the folders that import it
	for _, f := range files {
		for _, folder := range f.imports {
			users[folder] = append(users[folder], f.folder)
		}
	}
	reached := set{}
	var visit func(string)
	visit = func(folder string) {
		if reached[folder] {
			return
		}
		reached[folder] = true
		for _, user := range users[folder] {
			visit(user)
		}
	}
	for folder := range from {
		visit(folder)
	}
	return reached
}

// set is a set of words.
type set map[string]bool

func (s set) add(words []string) {
	for _, word := range words {
		s[word] = true
	}
}

// have reports whether one of words is in the set.
func (s set) have(words []string) bool {
	return len(s) > 0 && slices.ContainsFunc(words, func(word string) bool { return s[word] })
}

// sets are several of them.
type sets []set

// have reports whether one of words is in one of the sets.
func (s sets) have(words []string) bool {
	return slices.ContainsFunc(s, func(one set) bool { return one.have(words) })
}

// names are names that packages declare, by folder.
type names map[string]set

func (n names) add(folder string, words []string) {
	if n[folder] == nil {
		n[folder] = set{}
	}
	n[folder].add(words)
}
