package plan

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/svcgen/svcgen/generator/ir"
)

// overlays names the trees of templates/service/variant that s takes folders from. The reference service itself is
// what sqlite, memory and a service without validation get.
func overlays(s *ir.Service) []string {
	var names []string
	if s.Database != "sqlite" {
		names = append(names, s.Database)
	}
	if s.Broker != "memory" {
		names = append(names, s.Broker)
	}
	if s.Validate {
		names = append(names, "validate")
	}
	return names
}

// checkOverlays reports a choice for which there is nothing to copy: it must not end in the reference's own.
func checkOverlays(reference fs.FS, names []string) error {
	for _, name := range names {
		if _, err := fs.Stat(reference, path.Join("variant", name)); err != nil {
			return fmt.Errorf("no templates for %s: %w", name, err)
		}
	}
	return nil
}

// folders copies the files directly in each folder of the reference service. A folder an overlay has replaces
// the one of the reference service as a whole. Tests stay behind: they test the reference service.
func folders(names ...string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		var files []File
		for _, folder := range names {
			source, entries, err := p.folder(folder)
			if err != nil {
				return nil, err
			}
			for _, entry := range entries {
				name := entry.Name()
				if entry.IsDir() || strings.HasSuffix(name, "_test.go") || isFragmentOutput(path.Join(folder, name)) {
					continue
				}
				files = append(files, File{Path: path.Join(folder, name), Source: Copy, From: path.Join(source, name)})
			}
		}
		return files, nil
	}
}

// migrations are folders of SQL files for one database.
func migrations(names ...string) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		files, err := folders(names...)(p)
		for i, f := range files {
			if strings.HasSuffix(f.Path, ".sql") {
				files[i].Variant = p.service.Database
			}
		}
		return files, err
	}
}

// one copies single files of the reference service.
func one(names ...string) func(*planner) ([]File, error) {
	return func(*planner) ([]File, error) {
		var files []File
		for _, name := range names {
			files = append(files, File{Path: name, Source: Copy, From: name})
		}
		return files, nil
	}
}

// vetted are copied files in which go vet and golangci-lint leave out the check that the service cannot pass.
func vetted(expand func(*planner) ([]File, error)) func(*planner) ([]File, error) {
	return func(p *planner) ([]File, error) {
		files, err := expand(p)
		if err != nil || p.service.VetFlags == "" {
			return files, err
		}
		for i, f := range files {
			text, err := fs.ReadFile(p.opt.Reference, f.From)
			if err != nil {
				return nil, err
			}
			files[i] = File{Path: f.Path, Source: Given, Content: []byte(strings.NewReplacer(
				"go vet ./...", "go vet "+p.service.VetFlags+"./...",
				"    errcheck:\n", "    govet:\n      disable: [stdmethods] # it takes an RPC for a method of Go's standard library\n    errcheck:\n",
			).Replace(string(text)))}
		}
		return files, nil
	}
}

// folder lists the folder where the overlays of p put it.
func (p *planner) folder(name string) (source string, entries []fs.DirEntry, err error) {
	for _, overlay := range p.overlays {
		source := path.Join("variant", overlay, name)
		entries, err := fs.ReadDir(p.opt.Reference, source)
		if err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() }) {
			return source, entries, nil
		}
	}
	entries, err = fs.ReadDir(p.opt.Reference, name)
	return name, entries, err
}

// isFragmentOutput says whether a file of the reference service shows what a fragment prints for the sample: other
// services get their own.
func isFragmentOutput(name string) bool { return name == "internal/gen/app/services.go" }

// Choices names the templates that say what differs between databases, brokers and the like, for the fragments
// that ask for it by {{template}}. They are chosen here, so that no fragment has an if.
func Choices(s *ir.Service) []string {
	choices := []string{s.Database, s.Broker, "no_consumers"}
	if len(s.Consumes) > 0 {
		choices[2] = "consumers"
	}
	for i, c := range choices {
		choices[i] = "choice_" + c + ".tmpl"
	}
	return choices
}
