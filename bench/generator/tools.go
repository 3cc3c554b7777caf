package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// tools are the binaries at hand; an empty path is a tool that is missing.
type tools struct{ svcgen, buf, protoc, goctl string }

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
	for _, tool := range []struct{ name, path string }{{"buf", t.buf}, {"protoc", t.protoc}, {"goctl", t.goctl}} {
		if tool.path == "" {
			names = append(names, tool.name)
		}
	}
	return names
}

// job is one thing a tool does to a workload. before prepares what the run itself must not be charged for.
// A run whose output lacks wants has not done what is measured.
type job struct {
	name   string
	before func() error
	argv   []string
	dir    string
	wants  string
}

// jobs lists what is run for s. protos is the folder of its files, scratch one for outputs.
func (t tools) jobs(s size, protos, scratch string) []job {
	fresh, kept, edited := filepath.Join(scratch, "new"), filepath.Join(scratch, "kept"), filepath.Join(scratch, "edited")
	jobs := []job{
		{name: "svcgen version", argv: []string{t.svcgen, "version"}, dir: scratch},
		{name: "svcgen new", before: remove(fresh), argv: []string{t.svcgen, "new", "svcgen.yaml", "--out", fresh}, dir: protos},
		{name: "svcgen regen, nothing to do", argv: []string{t.svcgen, "regen"}, dir: kept, wants: "nothing to do"},
	}
	if s.files > 1 {
		flip := false // a comment in one proto changes with every run
		jobs = append(jobs, job{name: "svcgen regen, one proto changed", argv: []string{t.svcgen, "regen"}, dir: edited,
			before: func() error {
				flip = !flip
				comment := " It was edited."
				if !flip {
					comment = ""
				}
				return s.rewriteFirst(edited, comment)
			}})
	}
	if t.buf != "" {
		jobs = append(jobs, job{name: "buf version", argv: []string{t.buf, "--version"}, dir: scratch},
			t.bufJob("buf generate", protos, filepath.Join(scratch, "buf"), "buf.gen.yaml", true))
		if s.files > 1 {
			jobs = append(jobs, t.bufJob("buf generate, one request", protos, filepath.Join(scratch, "bufall"), "buf.gen.all.yaml", true))
		}
		if s.total() <= 1000 {
			jobs = append(jobs, t.bufJob("buf generate again", protos, filepath.Join(scratch, "bufagain"), "buf.gen.yaml", false))
		}
	}
	if t.protoc != "" {
		out := filepath.Join(scratch, "protoc")
		argv := []string{t.protoc, "-I", ".", "--go_out=" + out, "--go_opt=paths=source_relative", "--go-grpc_out=" + out, "--go-grpc_opt=paths=source_relative"}
		for i := range s.files {
			argv = append(argv, protoPath(i))
		}
		jobs = append(jobs, job{name: "protoc", before: empty(out), argv: argv, dir: protos})
	}
	if t.goctl != "" && s.files == 1 && s.total() <= 100 { // it takes one file at a time
		out := filepath.Join(scratch, "goctl")
		jobs = append(jobs, job{name: "goctl rpc protoc", before: empty(out), dir: protos,
			argv: []string{t.goctl, "rpc", "protoc", protoPath(0), "-I", ".", "--go_out=" + out, "--go-grpc_out=" + out, "--zrpc_out=" + out}})
	}
	return jobs
}

func (t tools) bufJob(name, protos, out, config string, clean bool) job {
	j := job{name: name, argv: []string{t.buf, "generate", "--template", config, "--output", out}, dir: protos}
	if clean {
		j.before = empty(out)
	}
	return j
}

// rewriteFirst writes the first proto again, wherever tree keeps it.
func (s size) rewriteFirst(tree, comment string) error {
	path := filepath.Join(tree, filepath.FromSlash(protoPath(0)))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	s.writeProto(f, 0, comment)
	return f.Close()
}

func remove(dir string) func() error { return func() error { return os.RemoveAll(dir) } }

func empty(dir string) func() error {
	return func() error {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		return os.MkdirAll(dir, 0o755)
	}
}
