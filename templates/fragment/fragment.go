// Package fragment holds the templates of the files that name the user's services, methods and events.
// A fragment ranges and prints names; what it prints is decided in Go before it is executed.
package fragment

import "embed"

// FS holds every fragment, by file name.
//
//go:embed *.tmpl
var FS embed.FS
