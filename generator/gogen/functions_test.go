package gogen

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"

	"github.com/svcgen/svcgen/generator/fileset"
)

func TestEachParagraph(t *testing.T) {
	tests := []struct {
		name, src string
		want      []string // without blanks
	}{
		{"nothing", "", nil},
		{"lines", "\n\nvar a int\nvar b int\n\n\n\nvar c int", []string{"var a int\nvar b int", "var c int"}},
		{"a blank line in brackets", "func f() {\n\tg(\n\n\t)\n\n\treturn\n}\n\nvar a int\n", []string{"func f(){\ng(\n\n)\n\nreturn\n}", "var a int"}},
		{"blanks around", "\tx  :=  f( a ,\tb ) \t\n", []string{"x:=f(a,b)"}},
		{"blanks between words", "var  x\t[]y\nvarx  []y", []string{"var x[]y\nvarx[]y"}},
		{"blanks between operators", "a - -b\na --b\nx & ^y\nx &^ y\n<- c\n< -c\n. ..", []string{"a- -b\na--b\nx& ^y\nx&^y\n<-c\n< -c\n. .."}},
		{"letters of other alphabets", "é  ü", []string{"é ü"}},
		{"strings", "\"a  \\\"  b\" + `c  \"\n\n  d\\`  +'\\''  + '{'", []string{"\"a  \\\"  b\"+`c  \"\n\n  d\\`+'\\''+'{'"}},
		{"comments", "//  a  b  \n/*  c {\n\n  d  */  e  // f ( \n\na / b", []string{"//  a  b\n/*  c {\n\n  d  */e// f (", "a/b"}},
		{"what ends too early", "a \"b  c", []string{"a\"b  c"}},
		{"a comment that ends too early", "a /* b  c", []string{"a/* b  c"}},
		{"a comment at the end", "a // b  ", []string{"a// b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			eachParagraph([]byte(tt.src), func(bare, text []byte) {
				got = append(got, string(bare))
				if !strings.Contains(tt.src, string(text)) || strings.TrimSpace(string(text)) == "" {
					t.Errorf("%q is no paragraph of it", text)
				}
			})
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRows(t *testing.T) {
	last := "package a\n\nfunc a() {}\n\nfunc (b) b() {}\n\nvar v int\n\n// With a comment.\nfunc c() {}\n\nfunc d() {}\n"
	printed := "package a\n\nfunc  a( ) {}\n\n\nfunc(b) b() {}\nfunc d() {}\n\nfunc(b) b() {}\n\nfunc d() {}\n\nvar v int\n\n// With a comment.\nfunc c() {}\n\nfunc d() {}\n"
	rest, have := functionsOf([]byte(last)).split([]byte(printed))
	formatted := "package a\n\n%sfunc (b) b() {}\nfunc d()     {}\n\n%svar v int\n\n// With a comment.\nfunc c() {}\n\n%s"
	left := fmt.Sprintf(formatted, standIn(0)+"\n", standIn(1)+"\n", standIn(2))
	if got, err := format.Source(rest); err != nil || string(got) != left {
		t.Errorf("%q is left, %v, want %q", got, err, left)
	}
	got, err := have.put([]byte(left))
	if want := fmt.Sprintf(formatted, "func a() {}\n\n", "func (b) b() {}\n\nfunc d() {}\n\n", "func d() {}\n"); err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := have.put([]byte("package a\n\n" + standIn(0) + "\n" + standIn(2))); !errors.Is(err, errNoMarker) {
		t.Errorf("a row without its stand-in is %v", err)
	}
}

// What a file shares with that of the last run is not formatted, and the result is the same.
func TestShared(t *testing.T) {
	for name, files := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			first := wholePlugin(t, files)
			for i, f := range first.Files {
				if !f.Generate {
					continue
				}
				last, err := internal_gengo.GenerateFile(first, f).Content()
				if err != nil {
					t.Fatal(err)
				}
				plugin := wholePlugin(t, files) // where an API is hybrid, the messages are others after they were printed
				got, left := withLast(t, internal_gengo.GenerateFile(plugin, plugin.Files[i]), last)
				if !bytes.Equal(got, last) {
					t.Errorf("%s differs at %s", f.Desc.Path(), firstDifference(last, got))
				}
				for _, m := range f.Messages {
					if strings.Contains(left, "*"+m.GoIdent.GoName+") Reset() {") {
						t.Errorf("%s: %s is formatted again", f.Desc.Path(), m.GoIdent.GoName)
					}
				}
			}
		})
	}
}

// A comment that looks like a stand-in is a comment.
func TestStandInComment(t *testing.T) {
	plugin := wholePlugin(t, corpus(t)["service"])
	f := plugin.Files[slices.IndexFunc(plugin.Files, func(f *protogen.File) bool { return f.Generate && len(f.Messages) > 1 })]
	last, err := internal_gengo.GenerateFile(plugin, f).Content()
	if err != nil {
		t.Fatal(err)
	}
	f.Messages[0].Comments.Leading = " " + protogen.Comments(standIn(1)) // of the row behind it
	want, err := internal_gengo.GenerateFile(plugin, f).Content()
	if err != nil || bytes.Equal(want, last) {
		t.Fatalf("the comment is not there; %v", err)
	}
	if got, _ := withLast(t, internal_gengo.GenerateFile(plugin, f), last); !bytes.Equal(got, want) {
		t.Errorf("it differs at %s", firstDifference(want, got))
	}
}

// What is in the file of the last run is taken as it is there.
func TestBeginWithLast(t *testing.T) {
	files := corpus(t)["service"]
	want, err := Begin(files, testModule, fileset.Made{})()
	if err != nil {
		t.Fatal(err)
	}
	content := map[string][]byte{}
	for _, f := range want {
		content[f.Path] = f.Content
	}
	odd := func(source []byte) []byte {
		return bytes.ReplaceAll(source, []byte(") Reset() {"), []byte(")  Reset() {"))
	}
	got, err := Begin(files, testModule, fileset.Made{ByPath: func(path string) []byte { return odd(content[path]) }})()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range want {
		if !bytes.Equal(got[i].Content, odd(f.Content)) {
			t.Errorf("%s differs at %s", f.Path, firstDifference(odd(f.Content), got[i].Content))
		}
	}
}

// withLast is what becomes of what was printed to g beside the file of the last run, and what of it was formatted.
func withLast(t *testing.T, g *protogen.GeneratedFile, last []byte) (content []byte, left string) {
	t.Helper()
	if printed(g) == nil {
		t.Fatal("protogen keeps what was printed elsewhere")
	}
	have := takeShared(g, last)
	left = printed(g).String()
	content, err := g.Content()
	if err == nil {
		content, err = have.put(content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return content, left
}
