package cli

import (
	"bytes"
	"cmp"
	"path"
	"sync"

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

// brokenLines reads what changes are about to be made in, and looks for the lines of the user's that they would break. That is
// all svcgen does about them, so the changes need not wait for it: what it returns does.
func brokenLines(tree *reconcile.Tree, module string, changes *reconcile.Changes) (func() diag.List, error) {
	m := typecheck.Module{Path: module, Changed: map[string][]byte{}, Renamed: map[string]string{}, Read: tree.GoFile}
	for _, action := range changes.Actions {
		after := action.After()
		if path.Ext(action.Path) != ".go" || action.From == "" && sameCode(action.Old, after) {
			continue
		}
		m.Changed[action.Path] = after
		if action.From != "" {
			m.Renamed[action.Path] = action.From
		}
	}
	if len(m.Changed) == 0 {
		return func() diag.List { return nil }, nil
	}
	var err error
	if m.Files, err = tree.GoFiles(typecheck.Beginning); err != nil {
		return nil, err
	}
	change, err := m.Load(func(name string) bool { return name == meeting || !reconcile.Generated(path.Dir(name)) })
	if err != nil {
		return nil, err
	}
	find := sync.OnceValue(change.Broken)
	go func() {
		defer func() { _ = recover() }() // who asks gets the panic, too
		_ = find()
	}()
	return func() diag.List {
		list := find()
		if len(list) > 0 {
			last := &list[len(list)-1]
			last.Hint = cmp.Or(last.Hint, "svcgen edits no body: these lines are left to you")
		}
		return list
	}, nil
}
