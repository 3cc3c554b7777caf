package typecheck

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Extends reports whether a change of a generated Go file leaves other packages all that they can use of it: each
// declaration is still there and the same, except that a message may have more fields, and there may be more declarations.
// golang.org/x/exp/apidiff calls such a change compatible. It breaks only code that takes whatever names there are, which
// MayBreak finds; grown are the types that have more. Extends compares text, and says no where it is not sure: it is there
// because it takes a hundredth of the time in which the types of a large service are checked.
func Extends(was, will []byte) (grown []string, ok bool) {
	if was == nil || will == nil {
		return nil, false
	}
	inWas, inWill := parts(was), parts(will)
	old, sure := surface(without(inWas, inWill))
	now, sureToo := surface(without(inWill, inWas))
	if !sure || !sureToo {
		return nil, false
	}
	for name, what := range old {
		if now[name] != what {
			return nil, false
		}
	}
	for name := range now {
		typ, _, member := strings.Cut(strings.TrimLeft(name, "*"), ".")
		if _, there := old[name]; member && !there {
			typ, _, _ = strings.Cut(typ, "[") // a generic one
			grown = append(grown, typ)
		}
	}
	return grown, true
}

// parts cuts a formatted file between its declarations. Of a thousand that are the same in two versions none needs a
// parser.
func parts(src []byte) []string {
	var list []string
	for part := range strings.SplitSeq(string(src), "\n\n") {
		if last := len(list) - 1; last >= 0 && strings.HasPrefix(part, "\t") {
			list[last] += "\n\n" + part // the line is empty within a declaration
		} else {
			list = append(list, part)
		}
	}
	return list
}

// without are the declarations of parts that others lack, as a file. Where the package clause is one of them, the file
// has two and does not parse: there is no saying what has changed with it.
func without(parts, others []string) []byte {
	there := make(map[string]bool, len(others))
	for _, part := range others {
		there[part] = true
	}
	rest := slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return there[part] })
	return []byte("package p\n" + strings.Join(rest, "\n\n"))
}

// surface is what other packages can use of declarations, by name, and whether that is all of it. Members of a type are
// called T.M, or *T.M.
func surface(src []byte) (map[string]string, bool) {
	f, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
	if err != nil || bytes.Contains(src, []byte("\n//go:")) { // what that says is for the compiler to know
		return nil, false
	}
	s := declared{src: src, file: f, names: map[string]string{}, sure: true}
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			s.function(decl)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				s.spec(decl.Tok, spec)
			}
		}
	}
	return s.names, s.sure
}

// declared collects what is declared.
type declared struct {
	src   []byte
	file  *ast.File
	names map[string]string
	sure  bool
}

// text is what stands at n, whatever the space in it.
func (d *declared) text(n ast.Node) string {
	return strings.Join(strings.Fields(string(d.src[n.Pos()-d.file.FileStart:n.End()-d.file.FileStart])), " ")
}

// function notes the unexported methods, too: by them a type is one of those that a oneof takes.
func (d *declared) function(f *ast.FuncDecl) {
	switch name := f.Name.Name; {
	case f.Recv != nil:
		d.names[d.text(f.Recv.List[0].Type)+"."+name] = d.text(f.Type)
	case f.Name.IsExported():
		d.names[name] = d.text(f.Type)
	}
}

func (d *declared) spec(tok token.Token, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ImportSpec:
		importPath, name := imported(spec)
		d.names["import "+name] = importPath // what is declared is spelled with the name
	case *ast.TypeSpec:
		d.typ(spec)
	case *ast.ValueSpec:
		for i, id := range spec.Names {
			if id.IsExported() {
				d.names[id.Name] = d.value(tok, spec, i)
			}
		}
	}
}

// guards are the types of first fields that keep others from writing a struct without the names of its fields, comparing
// it and converting it, so that it may gain fields: those of messages, and of their builders in the opaque API.
var guards = []string{"protoimpl.MessageState", "[0]func()"}

func (d *declared) typ(spec *ast.TypeSpec) {
	name := spec.Name.Name
	body, ok := spec.Type.(*ast.StructType)
	if !ok || len(body.Fields.List) == 0 || !slices.Contains(guards, d.text(body.Fields.List[0].Type)) {
		d.names[name] = d.text(spec)
		return
	}
	d.names[name] = "guarded"
	for _, field := range body.Fields.List {
		for _, id := range field.Names {
			d.names[name+"."+id.Name] = d.text(field.Type)
		}
		d.sure = d.sure && len(field.Names) > 0
	}
}

// value is what other packages see of a constant or a variable: its type, and of a constant the number or the text too.
func (d *declared) value(tok token.Token, spec *ast.ValueSpec, i int) string {
	shown := ""
	if spec.Type != nil {
		shown = d.text(spec.Type)
	}
	if tok == token.VAR && spec.Type != nil {
		return shown
	}
	if i < len(spec.Values) {
		switch value := spec.Values[i].(type) {
		case *ast.BasicLit:
			return shown + " " + d.text(value)
		case *ast.CompositeLit:
			if value.Type != nil {
				return d.text(value.Type)
			}
		}
	}
	d.sure = false
	return ""
}

// MayBreak reports whether code may break when the types called grown have more fields or methods, and the packages of
// module more declarations, since it takes whatever names there are: it imports one of the packages without a name for it,
// embeds what may be one of the types, or makes a type of its own of one. Code that cannot be read may do so.
func MayBreak(module string, grown []string, files map[string][]byte) bool {
	all, err := readUses(module, files)
	if err != nil {
		return true
	}
	names := map[string]bool{}
	for _, name := range grown {
		names[name] = true
	}
	for more := true; more; { // what an alias is of may be an alias that comes later
		more = false
		for _, a := range all.aliases {
			if names[a.of] && !names[a.name] {
				names[a.name], more = true, true
			}
		}
	}
	return slices.ContainsFunc(all.bases, func(name string) bool { return names[name] })
}

// uses are the names of types, without their packages.
type uses struct {
	bases   []string // of other types, which embed them or are made of them
	aliases []alias
}

type alias struct{ name, of string }

// readUses parses several files at the same time.
func readUses(module string, files map[string][]byte) (uses, error) {
	var mu sync.Mutex
	var all uses
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for name, src := range files {
		group.Go(func() error {
			mode := parser.SkipObjectResolution
			if !bytes.Contains(src, []byte("struct")) && !bytes.Contains(src, []byte("\ntype ")) {
				mode |= parser.ImportsOnly // it embeds nothing; what a function makes of a type has no methods of its own
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, src, mode)
			if err != nil {
				return err
			}
			foreign, err := foreignImports(f, module)
			if err != nil {
				return err
			}
			found := usesIn(f, foreign)
			mu.Lock()
			defer mu.Unlock()
			all.bases, all.aliases = append(all.bases, found.bases...), append(all.aliases, found.aliases...)
			return nil
		})
	}
	err := group.Wait()
	return all, err
}

// errNameless says that all names of a package of the module are imported.
var errNameless = errors.New("a package is imported without a name for it")

// foreignImports are the names by which f imports packages that are not module's.
func foreignImports(f *ast.File, module string) (map[string]bool, error) {
	foreign := map[string]bool{}
	for _, spec := range f.Imports {
		importPath, name := imported(spec)
		_, ours := folderOf(module, importPath)
		if name == "." && ours {
			return nil, errNameless
		}
		foreign[name] = !ours
	}
	return foreign, nil
}

// usesIn are the types that f uses so that their names matter, but for foreign ones.
func usesIn(f *ast.File, foreign map[string]bool) (found uses) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			of := typeName(n.Type, foreign)
			if n.Assign.IsValid() {
				found.aliases = append(found.aliases, alias{n.Name.Name, of})
			} else {
				found.bases = append(found.bases, of)
			}
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if len(field.Names) == 0 {
					found.bases = append(found.bases, typeName(field.Type, foreign))
				}
			}
		}
		return true
	})
	return found
}

// typeName is the name of a type without its package; empty for a foreign type, and for one without a name.
func typeName(typ ast.Expr, foreign map[string]bool) string {
	switch typ := typ.(type) {
	case *ast.Ident:
		return typ.Name
	case *ast.StarExpr:
		return typeName(typ.X, foreign)
	case *ast.ParenExpr:
		return typeName(typ.X, foreign)
	case *ast.IndexExpr:
		return typeName(typ.X, foreign)
	case *ast.IndexListExpr:
		return typeName(typ.X, foreign)
	case *ast.SelectorExpr:
		if pkg, ok := typ.X.(*ast.Ident); ok && !foreign[pkg.Name] {
			return typ.Sel.Name
		}
	}
	return ""
}
