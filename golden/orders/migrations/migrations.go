// Package migrations holds the database schema as numbered SQL files, oldest first, for goose.
//
// It is yours: add a file for every change and never edit one that has been applied somewhere.
package migrations

import "embed"

// FS holds the SQL files.
//
//go:embed *.sql
var FS embed.FS
