package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tools are the binaries at hand; an empty path is a tool that is missing.
type tools struct{ svcgen, buf, protoc, goctl, gqlgen string }

// find looks for the peers on PATH. buf and protoc count only together with the two plugins they run.
func find(svcgen string) tools {
	t := tools{svcgen: svcgen}
	look := func(name string) string {
		path, err := exec.LookPath(name)
		if err != nil {
			return ""
		}
		return path
	}
	t.gqlgen = look("gqlgen")
	if look("protoc-gen-go") != "" && look("protoc-gen-go-grpc") != "" {
		t.buf, t.protoc = look("buf"), look("protoc")
		if t.protoc != "" {
			t.goctl = look("goctl")
		}
	}
	return t
}

func (t tools) missing() []string {
	var names []string
	for _, tool := range []struct{ name, path string }{{"buf", t.buf}, {"protoc", t.protoc}, {"goctl", t.goctl}, {"gqlgen", t.gqlgen}} {
		if tool.path == "" {
			names = append(names, tool.name)
		}
	}
	return names
}

// job is one thing a tool does to a workload. prepare and before do what the run itself must not be charged for.
// A run whose output lacks wants has not done what is measured.
type job struct {
	name    string
	prepare func(context.Context) error // once
	before  func(context.Context) error
	argv    []string
	dir     string
	wants   string
}

// jobs lists what is run for s. protos is the folder of its files, scratch one for outputs.
func (t tools) jobs(s size, protos, scratch string) []job {
	in := func(name string) string { return folder(scratch, name) }
	jobs := []job{
		{name: "svcgen version", argv: []string{t.svcgen, "version"}, dir: scratch},
		{name: "svcgen new", before: absent(in("new")), argv: []string{t.svcgen, "new", "svcgen.yaml", "--out", in("new")}, dir: protos},
		{name: noop, argv: []string{t.svcgen, "regen"}, dir: in("kept"), wants: "nothing to do"},
	}
	if s.changes() {
		for _, r := range regens {
			jobs = append(jobs, t.regenJob(s, r, in(r.name)))
		}
	}
	return slices.Concat(jobs, t.bufJobs(s, protos, in), t.protocJobs(s, protos, in), t.goctlJobs(s, protos, in), t.gqlgenJobs(s, in))
}

// folder is where the job called name works.
func folder(scratch, name string) string {
	return filepath.Join(scratch, strings.NewReplacer(" ", "-", ",", "").Replace(name))
}

func (t tools) bufJobs(s size, protos string, in func(string) string) []job {
	if t.buf == "" {
		return nil
	}
	generate := func(name, config string, before func(context.Context) error) job {
		return job{name: name, before: before, argv: []string{t.buf, "generate", "--template", config, "--output", in(name)}, dir: protos}
	}
	jobs := []job{
		{name: "buf version", argv: []string{t.buf, "--version"}, dir: protos},
		generate("buf generate", "buf.gen.yaml", empty(in("buf generate"))),
	}
	if s.files > 1 && s.total() <= 1000 {
		jobs = append(jobs, generate("buf generate, one request", "buf.gen.all.yaml", empty(in("buf generate, one request"))))
	}
	if s.total() <= 1000 { // it does the same whether one file changed, or none
		jobs = append(jobs, generate("buf generate again", "buf.gen.yaml", nil))
	}
	return jobs
}

func (t tools) protocJobs(s size, protos string, in func(string) string) []job {
	if t.protoc == "" {
		return nil
	}
	out := in("protoc")
	argv := []string{
		t.protoc, "-I", ".",
		"--go_out=" + out, "--go_opt=paths=source_relative", "--go-grpc_out=" + out, "--go-grpc_opt=paths=source_relative",
	}
	for i := range s.files {
		argv = append(argv, protoPath(i))
	}
	return []job{{name: "protoc", before: empty(out), argv: argv, dir: protos}}
}

// goctlJobs take one file, as goctl does: of many, the one that changed.
func (t tools) goctlJobs(s size, protos string, in func(string) string) []job {
	if t.goctl == "" || s.methods > 100 || s.total() > 1000 {
		return nil
	}
	generate := func(name string, before func(context.Context) error) job {
		out := in(name)
		return job{name: name, before: before, dir: protos,
			argv: []string{t.goctl, "rpc", "protoc", protoPath(0), "-I", ".", "--go_out=" + out, "--go-grpc_out=" + out, "--zrpc_out=" + out}}
	}
	again := generate("goctl rpc protoc again, one file", present(in("goctl rpc protoc again, one file")))
	if s.files > 1 {
		return []job{again}
	}
	return []job{generate("goctl rpc protoc", empty(in("goctl rpc protoc"))), again}
}

// gqlgenJobs are the second runs of gqlgen, which makes a service from GraphQL: as many mutations, in as many files.
func (t tools) gqlgenJobs(s size, in func(string) string) []job {
	if t.gqlgen == "" || s.total() < 100 || s.total() > 200 { // a thousand mutations take it a minute
		return nil
	}
	dir := in("gqlgen")
	jobs := []job{{name: "gqlgen generate again", prepare: func(ctx context.Context) error { return s.gqlgenProject(ctx, t.gqlgen, dir) },
		argv: []string{t.gqlgen, "generate"}, dir: dir}}
	if s.files > 1 {
		flip := false
		jobs = append(jobs, job{name: "gqlgen generate, one file changed", argv: []string{t.gqlgen, "generate"}, dir: dir, before: func(context.Context) error {
			flip = !flip
			return s.writeGraphQL(dir, 0, flip)
		}})
	}
	return jobs
}

// changes reports whether one of several protos is changed in turn: not of thousands of methods, which would take long.
func (s size) changes() bool { return s.files > 1 && s.total() <= 1000 }

// edit is a change of one proto.
type edit int

const (
	editNothing edit = iota
	editComment
	editField
)

// regen is a run of svcgen regen that is measured: in a tree of its own, whose first proto has gone from one edit to
// another since the last run.
type regen struct {
	name     string
	from, to edit
	edited   bool // somebody has written in each Go file of the user's
}

var regens = []regen{
	{name: oneComment, from: editNothing, to: editComment},
	{name: oneField, from: editNothing, to: editField},
	{name: oneFieldEdited, from: editNothing, to: editField, edited: true},
	{name: oneFieldGone, from: editField, to: editNothing},
}

// regenJob is a regen of a tree.
func (t tools) regenJob(s size, r regen, tree string) job {
	j := job{name: r.name, argv: []string{t.svcgen, "regen"}, dir: tree}
	again := j
	j.before = func(ctx context.Context) error {
		if err := s.editProto(tree, r.from); err != nil {
			return err
		}
		if _, err := again.run(ctx); err != nil {
			return err
		}
		return s.editProto(tree, r.to)
	}
	if r.edited {
		j.prepare = func(context.Context) error { return editCode(tree) }
	}
	return j
}

// editProto makes the first proto of a tree the one with e.
func (s size) editProto(tree string, e edit) error {
	return create(filepath.Join(tree, filepath.FromSlash(protoPath(0))), func(w io.Writer) { s.writeProto(w, 0, e) })
}

// editCode leaves a line in each Go file of the user's.
func editCode(tree string) error {
	files, err := filepath.Glob(filepath.Join(tree, "internal", "bench", "*.go"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no code of the user's", tree)
	}
	for _, name := range files {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("\n// Edited.\n")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// aside moves what is at dir out of the way. It is removed at the end: on some file systems, making files soon after
// many were removed takes several times as long.
func aside(dir string) error {
	trash := filepath.Join(filepath.Dir(dir), "aside")
	if err := os.MkdirAll(trash, 0o755); err != nil {
		return err
	}
	to, err := os.MkdirTemp(trash, "")
	if err != nil {
		return err
	}
	err = os.Rename(dir, filepath.Join(to, "was"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func absent(dir string) func(context.Context) error {
	return func(context.Context) error { return aside(dir) }
}

func present(dir string) func(context.Context) error {
	return func(context.Context) error { return os.MkdirAll(dir, 0o755) }
}

func empty(dir string) func(context.Context) error {
	return func(context.Context) error { return errors.Join(aside(dir), os.MkdirAll(dir, 0o755)) }
}
