package typecheck

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/svcgen/svcgen/generator/diag"
)

// TestScopeCases compares what is found with what is found when every file of the module is looked at:
// for changes that reach a line in ways that are hard to hit at random. In testdata/scope, now/FILE is what becomes of a file, and
// gone/FILE one that goes.
func TestScopeCases(t *testing.T) {
	cases := must(filepath.Glob("testdata/scope/*.txtar"))
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, name := range cases {
		m := tree{files: map[string][]byte{}, changed: map[string][]byte{}}
		for _, f := range must(txtar.ParseFile(name)).Files {
			if now, ok := strings.CutPrefix(f.Name, "now/"); ok {
				m.changed[now] = f.Data
			} else if gone, ok := strings.CutPrefix(f.Name, "gone/"); ok {
				m.changed[gone] = nil
			} else {
				m.files[f.Name] = f.Data
			}
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			for _, ask := range []func(string) bool{
				func(name string) bool { return !strings.HasPrefix(name, "gen/") },
				func(name string) bool { return path.Base(name) != "gen.go" },
				func(string) bool { return true },
			} {
				got, want := m.narrowAndWide(ask)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got\n%v\nwant\n%v", got, want)
				}
			}
		})
	}
}

// TestLeftOut: what has no word for what a change affects is not asked for, whatever else its type or package meets.
func TestLeftOut(t *testing.T) {
	m := tree{files: map[string][]byte{}, changed: map[string][]byte{
		"gen/gen.go": []byte("package gen\n\ntype A struct{ F, G int }\n\ntype B struct{}\n"),
	}}
	for name, src := range map[string]string{
		"gen/gen.go":   "package gen\n\ntype A struct{ F int }\n\ntype B struct{}\n",
		"app/app.go":   "package app\n\ntype App struct{}\n",
		"app/a.go":     "package app\n\nimport \"m.test/gen\"\n\nfunc (App) GetA(gen.A) {}\n",
		"app/b.go":     "package app\n\nimport \"m.test/gen\"\n\nfunc (App) GetB(gen.B) {}\n",
		"held/held.go": "package held\n\nimport \"m.test/gen\"\n\ntype Held struct{ gen.A }\n",
		"held/b.go":    "package held\n\nimport \"m.test/gen\"\n\nfunc (Held) Do(gen.B) {}\n",
		"user/a.go":    "package user\n\nimport \"m.test/app\"\n\nfunc _(x app.App) { _ = x.GetA }\n",
		"user/b.go":    "package user\n\nimport \"m.test/app\"\n\nfunc _(x app.App) { _ = x.GetB }\n",
		"user/c.go":    "package user\n\nimport \"m.test/gen\"\n\nfunc _(x interface{ Do(gen.B) }) { x.Do(gen.B{}) }\n",
	} {
		m.files[name] = []byte(src)
	}
	c := must(m.change(func(name string) bool { return path.Dir(name) != "gen" }))
	c.narrow()
	var got []string
	for _, f := range c.files {
		if f.asked {
			got = append(got, f.name)
		}
	}
	slices.Sort(got)
	if want := []string{"app/a.go", "held/b.go", "held/held.go", "user/a.go"}; !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

// tree is the Go files of a module, and those that are to be others; nil: gone.
type tree struct{ files, changed map[string][]byte }

func (m tree) change(ask func(string) bool) (*Change, error) {
	code, err := Read("m.test", m.files, ask, nil)
	if err != nil {
		return nil, err
	}
	return code.Change(m.changed, nil)
}

// after is the module as it will be.
func (m tree) after() map[string][]byte {
	after := maps.Clone(m.files)
	maps.Copy(after, m.changed)
	maps.DeleteFunc(after, func(_ string, src []byte) bool { return src == nil })
	return after
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// narrowAndWide are the broken lines in the files of m that a change can concern, and in all of them.
func (m tree) narrowAndWide(ask func(string) bool) (narrow, wide diag.List) {
	code := must(Read("m.test", m.files, ask, nil))
	if err := code.Expect(slices.Collect(maps.Keys(m.changed))); err != nil {
		panic(err)
	}
	c := must(code.Change(m.changed, nil))
	c.narrow()
	narrow = c.broken()
	c = must(m.change(ask))
	c.everything()
	return narrow, slices.DeleteFunc(c.broken(), func(d diag.Diagnostic) bool { return !ask(d.Pos.File) })
}

// TestScope compares what is found with what is found when every file of the module is looked at.
func TestScope(t *testing.T) {
	cases, told, left := 1000, 0, 0
	for seed := range cases {
		m := randomModule(rand.New(rand.NewPCG(uint64(seed), 4)))
		after := m.after()
		ask := func(name string) bool { return !strings.HasPrefix(name, "gen/") }
		got, want := m.narrowAndWide(ask)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			for _, name := range slices.Sorted(maps.Keys(after)) {
				t.Logf("%s\n%s", name, after[name])
				if was := m.files[name]; string(was) != string(after[name]) {
					t.Logf("it was\n%s", was)
				}
			}
			t.Fatalf("seed %d:\n%v\nnot\n%v", seed, got, want)
		}
		told += len(want)
		c := must(m.change(ask))
		c.narrow()
		for _, f := range c.inScope() {
			for _, p := range f.parts {
				if !p.needed {
					left++
				}
			}
		}
	}
	t.Logf("%d lines told, %d declarations and files left out", told, left)
	if told < cases/4 || left < cases/4 {
		t.Error("that is too few to show anything")
	}
}

// everything leaves out nothing of the module.
func (c *Change) everything() {
	for _, f := range c.files {
		c.folders[f.folder] = true
	}
	c.narrow()
	for _, f := range c.inScope() {
		f.present, f.asked = true, true
	}
}

// randomModule is a module of three packages, gen/a < b < ., that use each other's names at random, and a change of the first.
// It mostly compiles: what a declaration is made of is picked from what is there.
func randomModule(r *rand.Rand) tree {
	m := tree{files: map[string][]byte{}, changed: map[string][]byte{}}
	w := &writer{r: r}
	gen := w.pkg("gen/a", 2, 3)
	maps.Copy(m.files, gen)
	for _, folder := range []string{"b", "."} {
		maps.Copy(m.files, w.pkg(folder, 3+r.IntN(5), 1))
	}
	for range 10 { // it may be that there is nothing to edit
		for _, name := range slices.Sorted(maps.Keys(gen)) {
			if now := w.edit(string(gen[name])); now != string(gen[name]) {
				m.changed[name] = []byte(now)
			}
		}
		if len(m.changed) > 0 {
			break
		}
	}
	return m
}

type writer struct {
	r     *rand.Rand
	count int
	kinds [6][]string // qualified names: package.name
}

const (
	structs = iota
	interfaces
	functions
	values
	fields  // of values of structs, and calls of methods
	methods // with their signatures
)

// pkg writes a package of some files, each with at least so many declarations.
func (w *writer) pkg(folder string, files, declarations int) map[string][]byte {
	pkg := map[string]string{"gen/a": "a", "b": "b", ".": "c"}[folder]
	all := map[string][]byte{}
	for i := range files {
		var body strings.Builder
		for range declarations + w.r.IntN(3) {
			w.declare(&body, pkg)
		}
		text := body.String()
		imports := ""
		for name, in := range map[string]string{"a": "gen/a", "b": "b"} {
			if name != pkg && strings.Contains(text, name+".") {
				imports += fmt.Sprintf("import %q\n", "m.test/"+in)
			}
		}
		all[path.Join(folder, fmt.Sprintf("f%d.go", i))] = []byte("package " + pkg + "\n" + imports + text)
	}
	return all
}

// declare writes a declaration in pkg.
func (w *writer) declare(b *strings.Builder, pkg string) {
	w.count++
	n := w.count
	add := func(kind int, name string) { w.kinds[kind] = append(w.kinds[kind], pkg+"."+name) }
	own := func(s string) string { return strings.ReplaceAll(s, "\x00"+pkg+".", "") }
	var text string
	switch w.r.IntN(9) {
	case 0, 1:
		text = fmt.Sprintf("type S%d struct {\n\tF%d int\n\tG%d %s\n}\n", n, n, n, w.typ())
		embedded := ""
		if w.r.IntN(2) == 0 && len(w.kinds[structs]) > 0 {
			embedded = w.pick(structs, "")
			text = strings.Replace(text, "{\n", "{\n\t"+embedded+"\n", 1)
		}
		add(structs, fmt.Sprintf("S%d", n))
		add(fields, fmt.Sprintf("S%d{}.F%d", n, n))
		add(fields, fmt.Sprintf("S%d{}.G%d", n, n))
		if i := strings.LastIndexByte(embedded, 'S'); i >= 0 {
			add(fields, fmt.Sprintf("S%d{}.F%s", n, embedded[i+1:]))
		}
	case 2:
		method := fmt.Sprintf("M%d(x %s) (y %s)", 1+w.r.IntN(3), w.typ(), w.typ())
		if w.r.IntN(4) > 0 && len(w.kinds[methods]) > 0 {
			method = w.kinds[methods][w.r.IntN(len(w.kinds[methods]))]
		}
		text = fmt.Sprintf("type I%d interface {\n\t%s\n}\n", n, method)
		add(interfaces, fmt.Sprintf("I%d", n))
	case 3:
		of := w.pick(structs, "struct{}")
		text = fmt.Sprintf("type S%d = %s\n", n, of)
		add(structs, fmt.Sprintf("S%d", n))
		if i := strings.LastIndexByte(of, 'S'); i >= 0 {
			add(fields, fmt.Sprintf("S%d{}.F%s", n, of[i+1:]))
		}
	case 4, 5:
		text = fmt.Sprintf("func V%d(x %s) (y %s) {\n%s\treturn\n}\n", n, w.typ(), w.typ(), w.body())
		add(functions, fmt.Sprintf("V%d", n))
	case 6:
		text = fmt.Sprintf("var X%d %s\n", n, w.typ())
		add(values, fmt.Sprintf("X%d", n))
	case 7:
		text = fmt.Sprintf("var X%d = %s\n", n, w.pick(fields+w.r.IntN(2)*(values-fields), "0"))
		add(values, fmt.Sprintf("X%d", n))
	default:
		var mine []string
		for _, s := range w.kinds[structs] {
			if strings.HasPrefix(s, pkg+".") {
				mine = append(mine, s)
			}
		}
		if len(mine) == 0 {
			return
		}
		of := mine[w.r.IntN(len(mine))]
		name, in, out := fmt.Sprintf("M%d", 1+w.r.IntN(3)), w.typ(), w.typ()
		text = fmt.Sprintf("func (s \x00%s) %s(x %s) (y %s) {\n%s\treturn\n}\n", of, name, in, out, w.body())
		w.kinds[methods] = append(w.kinds[methods], fmt.Sprintf("%s(x %s) (y %s)", name, in, out))
		add(fields, fmt.Sprintf("%s{}.%s(*new(%s))", strings.TrimPrefix(of, pkg+"."), name, in))
	}
	b.WriteString(strings.ReplaceAll(own(text), "\x00", ""))
}

// body is statements that may compile.
func (w *writer) body() string {
	var b strings.Builder
	for range w.r.IntN(5) {
		switch w.r.IntN(5) {
		case 0:
			fmt.Fprintf(&b, "\t_ = append([]%s{}, %s)\n", w.typ(), w.pick(fields, "0"))
		case 1:
			fmt.Fprintf(&b, "\tvar _ %s = new(%s)\n", w.pick(interfaces, "any"), w.pick(structs, "struct{}"))
		case 2:
			fmt.Fprintf(&b, "\t_ = %s(%s)\n", w.pick(functions, "len"), w.pick(values, "0"))
		case 3:
			fmt.Fprintf(&b, "\t_ = %s\n", w.pick(fields, "0"))
		default:
			fmt.Fprintf(&b, "\t_ = %s(%s{})\n", w.pick(structs, "struct{}"), w.pick(structs, "struct{}"))
		}
	}
	return b.String()
}

// typ is a type.
func (w *writer) typ() string {
	switch w.r.IntN(5) {
	case 0, 1:
		return w.pick(structs, "int")
	case 2:
		return "*" + w.pick(structs, "int")
	case 3:
		return w.pick(interfaces, "any")
	default:
		return "int"
	}
}

// pick is the name of something, marked as one that may be of the own package.
func (w *writer) pick(kind int, none string) string {
	if len(w.kinds[kind]) == 0 {
		return none
	}
	return "\x00" + w.kinds[kind][w.r.IntN(len(w.kinds[kind]))]
}

// edit takes lines of a file away, or changes them.
func (w *writer) edit(src string) string {
	lines := strings.SplitAfter(src, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "\t") || strings.Contains(line, "return") || w.r.IntN(3) == 0 {
			continue
		}
		switch w.r.IntN(3) {
		case 0:
			lines[i] = ""
		case 1:
			lines[i] = strings.Replace(line, "int", "string", 1)
		default:
			lines[i] = line + strings.NewReplacer("F", "More", "G", "More", "M1", "M2", "M2", "M3").Replace(line)
		}
	}
	return strings.Join(lines, "")
}
