// Package templates embeds the reference service: the Go packages that svcgen emits by copying them, compiled,
// vetted and tested where they stand. Fragments, which name what the user's protos declare, are package fragment.
package templates

import (
	"embed"
	"io/fs"
)

// Module is the import path of the reference service. On emission the user's module takes its place.
const Module = "github.com/svcgen/svcgen/templates/service"

//go:embed all:service
var service embed.FS

// Service is the file tree of the reference service, its overlays in variant/ included.
func Service() (fs.FS, error) { return fs.Sub(service, "service") }
