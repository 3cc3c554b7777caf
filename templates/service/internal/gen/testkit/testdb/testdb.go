// Package testdb says where tests find a database. It belongs to the database the service was made for: here
// every test has an SQLite file of its own.
package testdb

import (
	"path/filepath"
	"testing"

	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// Config returns base, changed so that it names an empty database which only this test uses. Where there is no
// server to be found it skips the test and says how to name one.
func Config(tb testing.TB, base store.Config) store.Config {
	tb.Helper()
	base.URL = filepath.Join(tb.TempDir(), "test.db")
	return base
}
