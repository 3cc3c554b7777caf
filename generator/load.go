package generator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/diag"
	"github.com/svcgen/svcgen/generator/gogen"
	"github.com/svcgen/svcgen/generator/ir"
	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/plan"
	"github.com/svcgen/svcgen/generator/schema"
	"github.com/svcgen/svcgen/templates/gomod"
)

// load reads the manifest and compiles its protos. Without a manifest it infers one from the proto.
func load(ctx context.Context, in Input) (*manifest.Manifest, *schema.Schema, error) {
	if in.Proto != "" {
		s, err := ir.CompileFile(ctx, in.Proto, in.Imports, in.Limits)
		if err != nil {
			return nil, nil, err
		}
		m, err := ir.Infer(s, in.Choices)
		return m, s, err
	}
	src, err := readManifest(in.Manifest)
	if err != nil {
		return nil, nil, err
	}
	m, err := manifest.Load(filepath.ToSlash(in.Manifest), src)
	if err != nil {
		return nil, nil, err
	}
	s, err := ir.Compile(ctx, m, in.Imports, in.Limits, in.Compiled)
	return m, s, err
}

// readManifest reads a file that may be anything: no more than a manifest may have is read, and nothing of what is no file,
// since a pipe may never end.
func readManifest(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		example := manifest.FileName
		if inside := filepath.Join(name, example); isFile(inside) {
			example = inside
		}
		return nil, diag.List{{Message: name + " is not a file", Hint: "name a manifest, such as " + example}}
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, diag.List{{Message: "cannot read " + name + ": permission denied"}}
	}
	if err != nil {
		return nil, err
	}
	src, err := io.ReadAll(io.LimitReader(f, manifest.MaxSize+1))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return src, nil
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// goModule is the go.mod and go.sum of s, whose manifest is m.
func goModule(m *manifest.Manifest, s *ir.Service) ([]gogen.File, error) {
	var extra []string
	if s.Validate {
		extra = append(extra, "buf.build/go/protovalidate")
	}
	provider := make(map[string]string, len(s.Protos))
	for _, f := range s.Protos {
		provider[f.Path] = f.Go.Module
		if !f.Generate {
			continue
		}
		for _, imported := range f.Imports {
			if module := provider[imported]; module != "" {
				extra = append(extra, module)
			}
		}
	}
	for _, e := range slices.Concat(s.Publishes, s.Consumes) { // from a proto that may be imported by none of theirs
		if i := slices.IndexFunc(s.Protos, func(f ir.ProtoFile) bool { return f.Go.ImportPath == e.Message.Import.Path }); i >= 0 && s.Protos[i].Go.Module != "" {
			extra = append(extra, s.Protos[i].Go.Module)
		}
	}
	mod, sum, err := gomod.Files(s.Database, s.Broker, extra, s.Module)
	if errors.Is(err, gomod.ErrOwnModule) {
		var list diag.List
		list.Add(m.Pos("module"), "write a path such as github.com/acme/"+s.Name, "%s is a module that the service itself needs", s.Module)
		return nil, m.Sources().Finish(list)
	}
	if err != nil {
		return nil, &BugError{err}
	}
	return []gogen.File{{Path: "go.mod", Content: mod}, {Path: "go.sum", Content: sum}}, nil
}

// misplaced reports the protos that lie in a folder with the name of a file of the service, in any case: Makefile/a.proto.
func misplaced(s *ir.Service, files []plan.File) diag.List {
	taken := make(map[string]string, len(files))
	for _, f := range files {
		taken[strings.ToLower(f.Path)] = f.Path
	}
	var list diag.List
	for _, src := range s.Sources {
		for dir := path.Dir(src.Path); dir != "."; dir = path.Dir(dir) {
			if file := taken[strings.ToLower(dir)]; file != "" {
				list.Add(src.Pos, "move it to a folder such as proto", "%s lies in a folder with the name of %s, a file of the service", src.Path, file)
			}
		}
	}
	return list
}

// Lookup is a place in the emitted tree that was read to make it. Content is nil where nothing was found, and an
// import went on to the next root.
type Lookup struct {
	Path    string
	Content []byte
}

// lookups are the sources of s, and where the import roots of its own manifest that come before theirs would have
// had them.
func lookups(s *ir.Service) ([]Lookup, error) {
	var list []Lookup
	var roots []string
	taken := map[string]bool{}
	for _, src := range s.Sources {
		list = append(list, Lookup{Path: src.Path, Content: src.Content})
		taken[src.Path] = true
		if src.Path == s.ManifestFile {
			m, err := manifest.Load(src.Path, src.Content)
			if err != nil {
				return nil, fmt.Errorf("read the emitted manifest back: %w", err)
			}
			roots = m.Proto.Imports
		}
	}
	for _, f := range s.Protos {
		if !f.Generate {
			continue
		}
		for _, root := range roots {
			place := path.Join(root, f.Path)
			if taken[place] {
				break
			}
			if strings.HasPrefix(place, "../") {
				continue
			}
			taken[place] = true
			list = append(list, Lookup{Path: place})
		}
	}
	slices.SortFunc(list, func(a, b Lookup) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}
