// Package migrations holds the schema of the service: goose files, applied in order, never edited once released.
package migrations

import "embed"

// FS has every migration.
//
//go:embed *.sql
var FS embed.FS
