package typecheck

import (
	"go/token"
	"strconv"
)

// outline is what a file declares, as far as its tokens tell: to read them takes a fraction of the time that parsing does.
// Of a file that does not parse it is whatever it is; the compiler has its errors.
type outline struct {
	pkg     string
	imports []imported
	head    int // where the package clause and the imports end
	decls   []decl
	text    string
	whole   bool  // all declarations are there
	all     words // of decls, where they are looked at together
}

// imported is an import, with the name it is given, or none.
type imported struct{ name, path string }

// decl is a declaration, or a group of them in parentheses, and where it is. The body of a function is from body to end.
type decl struct {
	start, body, end int
	words
}

// words are identifiers by what they are there for; the same may be there more than once.
type words struct {
	declared []string // in the package
	methods  []string
	types    []string // that methods are declared for
	aliases  []string // those declared that are another name of a type
	outer    []string // every one outside of function bodies, but the names of functions and methods
	signed   []string // those of outer that are in no receiver
	inner    []string // every one in function bodies, of a file that is looked at as a whole
}

func (w *words) add(more words) {
	w.declared = append(w.declared, more.declared...)
	w.methods = append(w.methods, more.methods...)
	w.types = append(w.types, more.types...)
	w.aliases = append(w.aliases, more.aliases...)
	w.outer = append(w.outer, more.outer...)
	w.signed = append(w.signed, more.signed...)
	w.inner = append(w.inner, more.inner...)
}

// headOf is the outline of src without declarations. It is done when it has come to one.
func headOf(src []byte) (o outline, done bool) {
	for n := min(4<<10, len(src)); ; n = min(4*n, len(src)) {
		t := newTokens(string(src[:n]))
		o = t.head()
		if done = t.tok != token.EOF; done || n == len(src) {
			return o, done
		}
	}
}

// outlineOf is all of it, of a file that is looked at as a whole or not.
func outlineOf(src []byte, together bool) outline {
	t := newTokens(string(src))
	t.within = together
	o := t.head()
	o.text, o.whole = t.src, true
	o.decls = make([]decl, 0, 4+len(src)/300) // about as many as there are in generated code
	for ; t.tok != token.EOF; t.next() {
		if t.declares() {
			o.decls = append(o.decls, t.decl())
		}
	}
	if together {
		for _, d := range o.decls {
			d.outer, d.inner = nil, nil
			o.all.add(d.words)
		}
		o.all.outer, o.all.inner = t.outer, t.inner
	}
	return o
}

// head reads up to the first declaration.
func (t *tokens) head() outline {
	var o outline
	if t.tok == token.PACKAGE {
		t.next()
		o.pkg = t.lit
		o.head = t.at + len(t.lit)
	}
	for ; t.tok != token.EOF && !t.declares(); t.next() {
		if t.tok == token.IMPORT {
			o.imports = t.imports(o.imports)
			o.head = t.at
		}
	}
	return o
}

func (t *tokens) declares() bool {
	return t.tok == token.FUNC || t.tok == token.CONST || t.tok == token.TYPE || t.tok == token.VAR
}

func (t *tokens) imports(all []imported) []imported {
	var one imported
	for t.next(); !t.ends(0); t.next() {
		switch t.tok {
		case token.IDENT:
			one.name = t.lit
		case token.PERIOD:
			one.name = "."
		case token.STRING:
			one.path, _ = strconv.Unquote(t.lit)
			all, one = append(all, one), imported{}
		}
	}
	return all
}

func (t *tokens) decl() decl {
	d := decl{start: t.at}
	names, outer := len(t.names), len(t.outer)
	signed := outer
	if t.tok == token.FUNC {
		signed = t.function(&d)
	} else {
		t.group(&d)
		d.declared, d.body = since(t.names, names), t.at
	}
	d.outer, d.signed, d.end = since(t.outer, outer), since(t.outer, signed), t.at
	return d
}

// since are the words that were added to list since it had n.
func since(list []string, n int) []string { return list[n:len(list):len(list)] }

func (t *tokens) group(d *decl) {
	types := t.tok == token.TYPE
	t.next()
	depth := 0
	if t.tok == token.LPAREN {
		t.next()
		depth = t.depth
	}
	for !t.ends(0) {
		t.spec(d, types, depth)
		if !t.ends(0) {
			t.next()
		}
	}
}

// spec reads one declaration of a group, up to what ends it.
func (t *tokens) spec(d *decl, types bool, depth int) {
	names := len(t.names)
	for t.tok == token.IDENT {
		t.note(&t.names)
		t.note(&t.outer)
		if t.next(); t.tok != token.COMMA {
			break
		}
		t.next()
	}
	rest, alias := len(t.outer), false
	for ; !t.ends(depth); t.next() {
		t.note(&t.outer)
		alias = alias || types && t.tok == token.ASSIGN
	}
	if alias { // a method may be declared for it
		d.aliases, d.types = append(d.aliases, since(t.names, names)...), append(d.types, since(t.outer, rest)...)
	}
}

// function reads a function or method. It returns how many outer words there were before its signature.
func (t *tokens) function(d *decl) (signed int) {
	t.next()
	names, name := len(t.names), &d.declared
	if t.tok == token.LPAREN {
		d.types, name = t.receiver(), &d.methods
	}
	t.note(&t.names)
	*name, signed = since(t.names, names), len(t.outer)
	t.next()
	for before := token.FUNC; !t.ends(0) && (t.tok != token.LBRACE || t.depth > 0 || before == token.STRUCT || before == token.INTERFACE); t.next() {
		t.note(&t.outer)
		before = t.tok
	}
	inner := len(t.inner)
	for d.body = t.at; !t.ends(0); t.next() {
		if t.within {
			t.note(&t.inner)
		}
	}
	d.inner = since(t.inner, inner)
	return signed
}

// receiver reads one, and returns what its type is made of.
func (t *tokens) receiver() []string {
	t.next()
	from := len(t.outer)
	if t.tok == token.IDENT {
		t.note(&t.outer)
		switch t.next(); t.tok {
		case token.LBRACK, token.COMMA, token.RPAREN: // it was the type
		default:
			from = len(t.outer)
		}
	}
	for ; t.depth > 0 && t.tok != token.EOF; t.next() {
		t.note(&t.outer)
	}
	t.next() // to the name
	return since(t.outer, from)
}
