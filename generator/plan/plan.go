// Package plan decides which files an emitted service has, what each is made from and who owns it. A resolved
// service goes in, a list of files comes out; what is in them is package render's work.
//
// The table in table.go is the whole of it: to emit a new file, add a row.
package plan

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"

	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/gogen"
	"github.com/svcgen/svcgen/generator/ir"
)

// Source says what a file is made from.
type Source string

// The sources of a file.
const (
	Copy     Source = "copy"     // From is a file of the reference service, or of an overlay of it
	Fragment Source = "fragment" // From is a template of templates/fragment
	Given    Source = "given"    // Content holds its bytes already
)

// File is one file to render.
type File struct {
	Path    string
	Owner   fileset.Owner
	Why     string // what it is there for, as svcgen explain says it
	Source  Source
	From    string
	Data    *Data          // what a fragment prints
	Content []byte         // of a Given file
	Packed  fileset.Packed // instead of Content
	Kept    *fileset.Kept  // instead of Content
	Key     string         // of what a Given file was made from
	Decl    fileset.Decl
	Variant string
}

// Data is what a fragment sees: the service, and of what the fragment is repeated for, the one at hand.
type Data struct {
	*ir.Service
	Version string // of svcgen

	Served  *ir.RPCService
	Method  *ir.Method
	Event   *ir.Event
	First   []ir.Emit // of Method's events, all but the last: their errors are looked at one by one
	Last    *ir.Emit  // the last event's error is the transaction's
	Imports Imports
}

// Options is what a plan depends on beside the service.
type Options struct {
	Version   string       // of svcgen
	Reference fs.FS        // the reference service
	Generated []gogen.File // what the protos give
	Modules   []gogen.File // go.mod and go.sum
}

// Files returns the files of s, sorted by path.
func Files(s *ir.Service, opt Options) ([]File, error) {
	p := &planner{service: s, opt: opt, overlays: overlays(s)}
	if err := checkOverlays(opt.Reference, p.overlays); err != nil {
		return nil, err
	}
	var files []File
	for _, row := range table(s) {
		expanded, err := row.expand(p)
		if err != nil {
			return nil, fmt.Errorf("plan %s: %w", row.why, err)
		}
		for _, f := range expanded {
			f.Owner, f.Why = row.owner, row.why
			if f.Data != nil {
				f.Data.Service, f.Data.Version = s, opt.Version
			}
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for i := range files[1:] {
		if files[i].Path == files[i+1].Path {
			return nil, fmt.Errorf("two files planned at %s: %s; %s", files[i].Path, files[i].Why, files[i+1].Why)
		}
	}
	return files, nil
}

type planner struct {
	service  *ir.Service
	opt      Options
	overlays []string
}

// row is one kind of file: who owns it, what it becomes, and why it is there.
type row struct {
	owner  fileset.Owner
	expand func(*planner) ([]File, error)
	why    string
}
