package typecheck

import (
	"maps"
	"slices"
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
	folders map[string]bool // whose packages are looked into
	made    map[string]bool // of all folders: whether there is code in it that is not the user's
	words   set             // of the code to check
}

// part is what is looked at as a whole: a file, if its lines may be wanted, or else one declaration of it. The bodies of
// functions do not matter there, and a declaration that stays as it is has not changed when others of the file do.
type part struct {
	changes bool
	needed  bool // itself, or to check others
	words
}

// reach finds the folders of the scope.
func (c *Change) reach() {
	changing := map[string]bool{}
	for _, f := range c.files {
		if f.changes() {
			changing[f.folder] = true
		}
	}
	c.folders = reached(c.files, changing)
	c.made = map[string]bool{}
	for _, f := range c.files {
		c.made[f.folder] = c.made[f.folder] || !c.ask(f.name)
	}
	for n := -1; n < len(c.folders); { // an interface may ask for a method that is affected, and not see the change
		n = len(c.folders)
		for _, f := range c.files {
			for folder := range f.imports {
				if made, ours := c.made[folder]; c.folders[f.folder] && !c.made[f.folder] && ours && !made {
					c.folders[folder] = true
				}
			}
		}
	}
}

// meet adds the folders to the scope that code imports which is looked at and changes or is the user's. It reports whether there are any.
func (c *Change) meet(from func(*file) bool) bool {
	n := len(c.folders)
	for _, f := range c.files {
		if c.folders[f.folder] && from(f) && (f.changes() || !c.made[f.folder]) {
			maps.Copy(c.folders, f.imports)
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
	changing, turning := map[string]bool{}, map[string]bool{} // folders
	clauses, called := names{}, names{}                       // of packages, and of what changing files import
	for _, f := range files {
		clauses.add(f.folder, slices.Collect(maps.Keys(f.packages)))
		if f.changes() {
			changing[f.folder] = true
			called.add(f.folder, f.called)
		}
		if f.turns() {
			turning[f.folder] = true
		}
	}
	affected := effectsOf(files)
	_ = each(files, func(f *file) error {
		torn := changing[f.folder] && len(clauses[f.folder]) > 1
		f.present = f.changes() || torn || changing[f.folder] && len(f.dots) > 0 || len(f.dots) > 1 && common(f.dots, changing)
		f.asked = c.ask(f.name) && (f.present || common(f.imports, turning) || slices.ContainsFunc(f.parts, func(p *part) bool {
			return called[f.folder].have(p.declared) || affected.names[f.folder].have(p.declared) || affected.seen(f, p.outer) || affected.seenIn(f, p.bodies)
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
	files = slices.DeleteFunc(slices.Clone(files), func(f *file) bool { return f.divided })
	if err := each(files, c.complete); err != nil {
		c.unread = err
	}
	var unread []*state
	for _, f := range files {
		f.divided = true
		unread = append(unread, slices.DeleteFunc(f.states(), func(s *state) bool { return s.outlined })...)
	}
	_ = each(unread, func(s *state) error { // none fails
		s.outline, s.outlined = outlineOf(s.src), true
		return nil
	})
	_ = each(files, func(f *file) error {
		f.divide(c.ask(f.name))
		return nil
	})
}

// divide makes parts of a file, or one if it is whole.
func (f *file) divide(whole bool) {
	if whole {
		p := &part{changes: f.changes()}
		f.parts = []*part{p}
		for _, s := range f.states() {
			for _, d := range s.decls {
				p.words.add(d.words)
				s.parts = append(s.parts, p)
			}
		}
		return
	}
	stay := map[string]*part{} // by what is written in them
	for _, s := range f.states() {
		for _, d := range s.decls {
			text := string(s.src[d.start:d.body])
			p := stay[text]
			if p != nil && s != f.was {
				p.changes = f.turns()
			} else {
				p = &part{changes: f.changes(), words: d.words}
				f.parts = append(f.parts, p)
			}
			if s == f.was {
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
		for folder := range f.dots {
			dotted[folder] = append(dotted[folder], f.folder)
		}
	}
	e, carries := effects{names{}, set{}}, map[*part]bool{}
	for again := true; again; {
		again = false
		for _, f := range files {
			for _, p := range f.parts {
				if carries[p] || !p.changes && !e.seen(f, p.signed) {
					continue
				}
				carries[p], again = true, true
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

// seen reports whether one of the words of a file is a name of what is affected.
func (e effects) seen(f *file, words []string) bool {
	return slices.ContainsFunc(e.visible(f), func(s set) bool { return s.have(words) })
}

// seenIn is seen for the words in bodies of functions.
func (e effects) seenIn(f *file, bodies []string) bool {
	visible := e.visible(f)
	for _, body := range bodies {
		for word := range identifiers(body) {
			if slices.ContainsFunc(visible, func(s set) bool { return s[word] }) {
				return true
			}
		}
	}
	return false
}

// visible are the names that a file can mean.
func (e effects) visible(f *file) []set {
	visible := []set{e.methods}
	if own := e.names[f.folder]; len(own) > 0 {
		visible = append(visible, own)
	}
	for folder := range f.imports {
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
					if f.dots[other.folder] {
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
					for _, body := range p.bodies {
						for word := range identifiers(body) {
							s.words[word] = true
						}
					}
					s.words.add(p.declared) // another may declare the same
					s.words.add(p.methods)
				}
			}
		}
	}
}

// reached are the folders from whose code any of the given ones can be seen.
func reached(files []*file, from map[string]bool) map[string]bool {
	users := map[string][]string{} // of a folder: the folders that import it
	for _, f := range files {
		for folder := range f.imports {
			users[folder] = append(users[folder], f.folder)
		}
	}
	reached := map[string]bool{}
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

// names are names that packages declare, by folder.
type names map[string]set

func (n names) add(folder string, words []string) {
	if n[folder] == nil {
		n[folder] = set{}
	}
	n[folder].add(words)
}

// common reports whether two sets have a word in common.
func common(a, b map[string]bool) bool {
	for word := range a {
		if b[word] {
			return true
		}
	}
	return false
}
