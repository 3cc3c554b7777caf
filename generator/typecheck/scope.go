package typecheck

import (
	"go/ast"
	"maps"
	"slices"
)

// scope is what of a module a change can matter to.
//
// A line breaks only where it has to do with something that changes, and the only way to that is by a name which the
// package declares, or one that the file imports. So a file is concerned when it changes, when it imports a package in
// which something changes, and when it has a word for what is affected: that is what a changed file declares, and what is
// declared by a file that has such a word outside of function bodies. A method counts for the type it is declared for:
// whoever has a value of that calls it without naming the type. Concerned is also a file that declares a name which a
// changed one declares or imports something by, and every file of a package whose files call it by different names.
//
// To check those files others are needed: those that declare what the code to check has words for, and so on. That goes
// for methods, too: one for which there is no word is not called, and no interface asks for it. Beside the packages that can
// see a change, those are looked into that changed code of the user's imports: its body meets other types than it did.
type scope struct {
	folders   map[string]bool // whose packages are looked into
	concerned map[string]bool
	asked     map[string]bool // those of the concerned files whose lines are wanted
	needed    map[string]bool // the concerned files, and others
	words     map[string]bool // of the code to check
}

// scope parses what may be needed.
func (c *change) scope(ask func(string) bool) scope {
	s := scope{concerned: map[string]bool{}, asked: map[string]bool{}, needed: map[string]bool{}, words: map[string]bool{}}
	changing := map[string]bool{} // folders
	for _, f := range c.files {
		if f.changes() {
			changing[f.folder] = true
		}
	}
	s.folders = reached(c.files, changing)
	for _, f := range c.files {
		if f.was != nil && f.is != nil && f.changes() && ask(f.name) {
			maps.Copy(s.folders, f.imports)
		}
	}
	files := slices.DeleteFunc(slices.Clone(c.files), func(f *file) bool { return !s.folders[f.folder] })
	each(files, func(f *file) { c.parse(f, ask(f.name)) })
	clauses, called := names{}, names{} // of packages, and of what changing files import
	for _, f := range files {
		clauses.add(f.folder, f.packages)
		if f.changes() {
			called.add(f.folder, f.called)
		}
	}
	for _, f := range files {
		torn := changing[f.folder] && len(clauses[f.folder]) > 1
		s.concerned[f.name] = f.changes() || torn || common(f.imports, changing) || common(f.declared, called[f.folder])
	}
	s.concern(files)
	for _, f := range files {
		s.asked[f.name] = s.concerned[f.name] && ask(f.name)
	}
	s.need(files)
	for _, f := range files {
		for _, state := range f.states() {
			if !s.asked[f.name] && state.tree != nil {
				state.tree.Decls = slices.DeleteFunc(state.tree.Decls, s.leaveOut)
			}
		}
	}
	return s
}

// concern adds the files that have a word for what is affected.
func (s scope) concern(files []*file) {
	dotted := map[string][]string{} // of a folder: those in which its names are taken, too
	for _, f := range files {
		for folder := range f.dots {
			dotted[folder] = append(dotted[folder], f.folder)
		}
	}
	affected, carries := names{}, map[string]bool{}
	for again := true; again; {
		again = false
		for _, f := range files {
			if !carries[f.name] && (f.changes() || affected.seen(f, f.outer)) {
				carries[f.name], again = true, true
				affected.add(f.folder, f.declared)
				affected.add(f.folder, f.types)
				for _, folder := range dotted[f.folder] {
					affected.add(folder, f.declared)
				}
			}
		}
	}
	for _, f := range files {
		s.concerned[f.name] = s.concerned[f.name] || common(f.declared, affected[f.folder]) ||
			affected.seen(f, f.outer) || affected.seen(f, f.inner)
	}
}

// need adds what is needed to check the concerned files.
func (s scope) need(files []*file) {
	s.words["Error"] = true // of error, which no file declares
	for again := true; again; {
		again = false
		for _, f := range files {
			if s.needed[f.name] || !s.concerned[f.name] && !common(f.declared, s.words) && !common(f.methods, s.words) {
				continue
			}
			s.needed[f.name], again = true, true
			maps.Copy(s.words, f.outer)
			if f.changes() { // another may declare the same
				maps.Copy(s.words, f.declared)
				maps.Copy(s.words, f.methods)
			}
			if s.asked[f.name] {
				maps.Copy(s.words, f.inner)
			}
		}
	}
}

// leaveOut takes from a declaration what is not needed of it in a file that is not asked for: the body of a function, and
// the whole of a method for which there is no word.
func (s scope) leaveOut(decl ast.Decl) bool {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return false
	}
	f.Body = nil
	return f.Recv != nil && !s.words[f.Name.Name]
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

// names are names that packages declare, by folder.
type names map[string]map[string]bool

func (n names) add(folder string, names map[string]bool) {
	if n[folder] == nil {
		n[folder] = map[string]bool{}
	}
	maps.Copy(n[folder], names)
}

// seen reports whether one of the words of a file is one of the names.
func (n names) seen(f *file, words map[string]bool) bool {
	if common(words, n[f.folder]) {
		return true
	}
	for folder := range f.imports {
		if common(words, n[folder]) {
			return true
		}
	}
	return false
}

// common reports whether two sets have a word in common.
func common(a, b map[string]bool) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	for word := range a {
		if b[word] {
			return true
		}
	}
	return false
}
