// Package subject is the service under test: it has svcgen emit one, lays hand-written files over it, applies patches,
// builds it with the go command, and runs its processes. What comes out is known only by its command line, its ports,
// its environment and its tables.
//
// It judges nothing and knows no test; errors are returned. Package rig has the servers it runs on.
package subject

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/svcgen/svcgen/generator"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// Tree is an emitted service on disk.
type Tree struct {
	Name  string
	Dir   string
	Files *protoregistry.Files // its protos
}

// Emit makes the service of a folder that holds svcgen.yaml and its protos, in dir, which it creates. The pairs of
// replace, old and new in turn, change the manifest first.
func Emit(ctx context.Context, dir string, input fs.FS, replace ...string) (*Tree, error) {
	source := dir + ".input"
	if err := os.CopyFS(source, input); err != nil {
		return nil, err
	}
	path := filepath.Join(source, "svcgen.yaml")
	manifest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer(replace...).Replace(string(manifest))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil { //nolint:gosec // a test's own folder
		return nil, err
	}
	out, err := generator.Generate(ctx, generator.Input{Manifest: path, Version: "devel"})
	if err != nil {
		return nil, fmt.Errorf("emit: %w", err)
	}
	if _, err := reconcile.CreateTree(dir, out.Files, reconcile.Options{Version: "devel"}); err != nil {
		return nil, fmt.Errorf("emit %s: %w", out.Service.Name, err)
	}
	var set descriptorpb.FileDescriptorSet
	for _, f := range out.Service.Protos {
		fd, err := f.Descriptor.Message()
		if err != nil {
			return nil, fmt.Errorf("descriptors of %s: %w", out.Service.Name, err)
		}
		set.File = append(set.File, fd)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("descriptors of %s: %w", out.Service.Name, err)
	}
	return &Tree{Name: out.Service.Name, Dir: dir, Files: files}, nil
}

// Overlay writes files over the tree, as a user does who fills in handlers and adds migrations.
func (t *Tree) Overlay(files fs.FS) error {
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		to := filepath.Join(t.Dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
}

// Patch changes one file of a tree: the text Old, which must be in it exactly once, becomes New. A file that is not
// there yet is created when Old is empty. So a patch that the code has moved away from fails, and is never a patch
// that does nothing.
type Patch struct {
	File     string // below the tree, with slashes
	Old, New string
}

// Apply applies patches in order.
func (t *Tree) Apply(patches ...Patch) error {
	for _, p := range patches {
		if err := p.apply(t.Dir); err != nil {
			return fmt.Errorf("patch %s: %w", p.File, err)
		}
	}
	return nil
}

func (p Patch) apply(dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(p.File))
	if p.Old == "" {
		if _, err := os.Lstat(path); err == nil {
			return errors.New("it is to be created, and is there")
		}
		return os.WriteFile(path, []byte(p.New), 0o644)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch n := strings.Count(string(content), p.Old); n {
	case 1:
		return os.WriteFile(path, []byte(strings.Replace(string(content), p.Old, p.New, 1)), 0o644) //nolint:gosec // a test's own folder
	default:
		return fmt.Errorf("found %d times, want once:\n%s", n, p.Old)
	}
}

// Build compiles the service's command to the file bin. Without paths in what is compiled, trees share what they have
// in common in the go command's cache.
func (t *Tree) Build(ctx context.Context, bin string) error {
	return t.Go(ctx, nil, "build", "-trimpath", "-o", bin, "./cmd/"+t.Name)
}

// Go runs the go command in the tree, as its user would.
func (t *Tree) Go(ctx context.Context, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.Dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: go %s: %w\n%s", t.Name, strings.Join(args, " "), err, out)
	}
	return nil
}

// Env spells settings as the service's environment variables: DATABASE_URL=… is ORDERS_DATABASE_URL=….
func (t *Tree) Env(settings ...string) []string {
	vars := make([]string, len(settings))
	for i, s := range settings {
		vars[i] = strings.ToUpper(t.Name) + "_" + s
	}
	return vars
}

// Command runs one of the binary's commands to its end and returns what it printed.
func (t *Tree) Command(ctx context.Context, bin string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", t.Name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

// Method finds a unary method by its service's full name and its own.
func (t *Tree) Method(service, method string) (protoreflect.MethodDescriptor, error) {
	found, err := t.Files.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return nil, err
	}
	desc, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no method", found.FullName())
	}
	return desc, nil
}

// Decode reads an event of the named type.
func (t *Tree) Decode(eventType string, payload []byte) (protoreflect.Message, error) {
	found, err := t.Files.FindDescriptorByName(protoreflect.FullName(eventType))
	if err != nil {
		return nil, err
	}
	desc, ok := found.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no message", eventType)
	}
	m := dynamicpb.NewMessage(desc)
	return m, proto.Unmarshal(payload, m)
}
