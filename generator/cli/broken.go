package cli

import (
	"bytes"
	"cmp"
	"path"
	"sync"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/reconcile"
	"github.com/svcgen/svcgen/generator/typecheck"
)

// meeting is the one file of svcgen's that does not compile when the user's types lack something.
const meeting = "internal/gen/app/services.go"

// sameCode reports whether two Go files differ in lines of comments only. Such a change breaks nothing, and checking the
// types of a large service takes longer than making it. It says no where it is not sure.
func sameCode(a, b []byte) bool {
	if a == nil || b == nil {
		return false
	}
	for len(a) > 0 || len(b) > 0 {
		var lineA, lineB []byte
		lineA, a = codeLine(a)
		lineB, b = codeLine(b)
		if !bytes.Equal(lineA, lineB) {
			return false
		}
	}
	return true
}

// codeLine is the first line of src that is no comment, and what follows it.
func codeLine(src []byte) (line, rest []byte) {
	for len(src) > 0 {
		line, src, _ = bytes.Cut(src, []byte{'\n'})
		text := bytes.TrimLeft(line, " \t")
		if !bytes.HasPrefix(text, []byte("//")) || bytes.HasPrefix(text, []byte("//go:")) {
			return line, src
		}
	}
	return nil, nil
}

// breakage finds the lines of the user's that a run breaks. That is all svcgen does about them, so the run need not wait for it.
type breakage struct {
	code func() (*typecheck.Code, error) // once
	find func() diag.List                // nil where nothing can break
}

// newBreakage is for the module of tree, of which the files in the making are likely to be others.
func newBreakage(tree *reconcile.Tree, out *generator.Output) *breakage {
	var making []string
	for _, f := range out.Files.Files() {
		if f.Kept.InTheMaking() {
			making = append(making, f.Path)
		}
	}
	return &breakage{code: sync.OnceValues(func() (*typecheck.Code, error) {
		files, err := tree.GoFiles(typecheck.Beginning)
		if err != nil {
			return nil, err
		}
		code, err := typecheck.Read(out.Service.Module, files, breaks, tree.GoFile)
		if err == nil {
			err = code.Expect(making)
		}
		return code, err
	})}
}

// breaks reports whether lines may break in a file.
func breaks(name string) bool { return name == meeting || !reconcile.Generated(path.Dir(name)) }

// expect begins to read, where it is likely that there is something to find.
func (b *breakage) expect() {
	background(func() { _, _ = b.code() })
}

// look reads what changes are about to be made in, and begins to find.
func (b *breakage) look(changes *reconcile.Changes) error {
	changed, renamed := map[string][]byte{}, map[string]string{}
	for _, action := range changes.Actions {
		after := action.After()
		if path.Ext(action.Path) != ".go" || action.From == "" && sameCode(action.Old, after) {
			continue
		}
		changed[action.Path] = after
		if action.From != "" {
			renamed[action.Path] = action.From
		}
	}
	if len(changed) == 0 {
		return nil
	}
	code, err := b.code()
	if err != nil {
		return err
	}
	change, err := code.Change(changed, renamed)
	if err != nil {
		return err
	}
	b.find = sync.OnceValue(change.Broken)
	background(func() { _ = b.find() })
	return nil
}

// background calls a function of which sync keeps the result, as OnceValue does, and the panic: who asks gets either.
func background(do func()) {
	go func() {
		defer func() { _ = recover() }()
		do()
	}()
}

// lines are what was found.
func (b *breakage) lines() diag.List {
	if b.find == nil {
		return nil
	}
	list := b.find()
	if len(list) > 0 {
		last := &list[len(list)-1]
		last.Hint = cmp.Or(last.Hint, "svcgen edits no body: these lines are left to you")
	}
	return list
}
