package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"reflect"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/contract"
	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/drift"
	"github.com/svcgen/svcgen/generator/evolve"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// promised is the contract of the last run and the one of this.
type promised struct {
	old    *contract.Contract // nil where an svcgen that kept none made the tree
	now    contract.Contract
	lost   string // what was kept of it, and is gone or without content: the name of that file
	same   bool   // nothing is another than it was, and there is nothing to compare
	before *descriptorpb.FileDescriptorSet
	after  *descriptorpb.FileDescriptorSet
}

// readContract reads what the last run promised; nil where nothing is kept of it.
func readContract(tree *reconcile.Tree) (*contract.Contract, error) {
	text, err := fs.ReadFile(tree.FS(), contract.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	if err != nil {
		return nil, err
	}
	c, err := contract.Parse(text)
	if err != nil {
		return nil, unreadable(contract.File)
	}
	if c.Package == "" {
		return nil, nil //nolint:nilnil // a file without content says as little as none; promise tells
	}
	return &c, nil
}

func unreadable(file string) error {
	return &failure{exitFailed, diag.List{{
		Pos: diag.Pos{File: file}, Message: "cannot be read",
		Hint: "restore it from version control, or delete it: svcgen regen then compares with nothing, and makes it again",
	}}}
}

// promise compares the contract of the last run with that of this.
func promise(tree *reconcile.Tree, lock reconcile.Lock, old *contract.Contract, out *generator.Output) (promised, error) {
	p := promised{old: old, now: contract.Of(out.Service), before: &descriptorpb.FileDescriptorSet{}, after: &descriptorpb.FileDescriptorSet{}}
	set, err := fs.ReadFile(tree.FS(), contract.Descriptors)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	kept := func(name string) bool { _, ok := lock.Files[name]; return ok }
	if old == nil {
		if kept(contract.File) {
			p.lost = contract.File
		}
		return p, nil
	}
	if len(set) == 0 && kept(contract.Descriptors) {
		p.lost = contract.Descriptors
	}
	descriptors, _ := out.Files.Get(contract.Descriptors)
	if p.same = reflect.DeepEqual(*old, p.now) && bytes.Equal(set, descriptors.Content); p.same {
		return p, nil
	}
	p.before, p.after, err = drift.Differing(set, descriptors.Content)
	if err != nil && diag.ConflictMarker(set) > 0 {
		return p, nil // git has joined what it must not
	}
	if err != nil {
		return p, unreadable(contract.Descriptors)
	}
	return p, nil
}

// parseRenames reads what --rename says.
func parseRenames(texts []string) ([]evolve.Rename, error) {
	var list []evolve.Rename
	for _, text := range texts {
		r, err := evolve.ParseRename(text)
		if err != nil {
			return nil, usage(err.Error(), "write --rename OrderService.Place=Submit, --rename OrderService.Place=CartService.Place or, for a whole service, --rename OrderService=ShopService")
		}
		list = append(list, r)
	}
	return list, nil
}

// evolution is what the change of contract asks of the user's code.
func (p promised) evolution(renames []evolve.Rename) (evolve.Plan, error) {
	return evolve.Compare(p.old, p.now, renames)
}

// breaks compares the contracts of the service at dir. The first list is for a person to know; a run is refused for the second.
func (p promised) breaks(dir string, out *generator.Output, allowed bool) (changes []drift.Change, known, refused diag.List, err error) {
	const restore = "if that is a mistake, take this run back, restore it from version control and run svcgen regen again"
	switch p.lost {
	case contract.File:
		known.Warn(diag.Pos{File: p.lost}, restore, "it is gone, or empty: what breaks was not looked at, and no signature follows")
		return nil, known.In(dir), nil, nil
	case contract.Descriptors:
		known.Warn(diag.Pos{File: p.lost}, restore, "it is gone, or empty: what breaks within messages was not looked at")
		known = known.In(dir)
	}
	if p.old == nil || p.same {
		return nil, nil, nil, nil
	}
	if p.before == nil {
		known.Warn(diag.Pos{File: contract.Descriptors}, "compare the protos yourself", "git left a merge conflict in it: what breaks was not looked at")
		return nil, known.In(dir), nil, nil
	}
	changes, err = drift.Compare(side(*p.old, p.before), side(p.now, p.after))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("compare with the contract of the last run: %w", err)
	}
	for _, c := range changes {
		message := fmt.Sprintf("%s-breaking: %s: %s (%s)", c.Class, c.Name, c.Message, c.Rule)
		if c.Event != "" {
			message += ", in the published event " + c.Event
		}
		if c.Event != "" && c.Class == drift.Wire && !allowed {
			refused.Add(place(out, c), "", "%s", message)
		} else {
			known.Warn(place(out, c), "", "%s", message)
		}
	}
	if len(refused) > 0 {
		refused[len(refused)-1].Hint = "its old copies are in topics and queues still; publish a new message instead, or go on with --allow-breaking"
	}
	return changes, known, refused, nil
}

func side(c contract.Contract, set *descriptorpb.FileDescriptorSet) drift.Contract {
	d := drift.Contract{Files: set}
	for _, s := range c.Services {
		d.Services = append(d.Services, s.Proto)
	}
	for _, e := range c.Events {
		d.Events = append(d.Events, drift.Event{Message: e.Message, Topic: e.Topic, Key: e.Key})
	}
	return d
}

// place is where the manifest or a proto says what changed; without a file where nothing does any more.
func place(out *generator.Output, c drift.Change) diag.Pos {
	for _, e := range out.Service.Publishes {
		if c.Event != "" && e.Proto == c.Event {
			return e.Pos
		}
	}
	for _, s := range out.Service.RPC {
		for _, m := range s.Methods {
			if m.Proto == c.Name {
				return m.Pos
			}
		}
	}
	return diag.Pos{}
}
