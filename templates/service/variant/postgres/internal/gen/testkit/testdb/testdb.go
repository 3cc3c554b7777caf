// Package testdb says where tests find a database. It belongs to the database the service was made for: here
// every test has a PostgreSQL database of its own, on the server that TEST_DATABASE_URL names.
package testdb

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/svcgen/svcgen/templates/service/variant/postgres/internal/gen/store"
)

// Config returns base, changed so that it names an empty database which only this test uses. Where no server is
// named it skips the test and says how to name one.
func Config(tb testing.TB, base store.Config) store.Config {
	tb.Helper()
	named := os.Getenv("TEST_DATABASE_URL")
	if named == "" {
		tb.Skip("needs PostgreSQL: set TEST_DATABASE_URL to postgres://USER:PASSWORD@HOST/postgres, of a role that may create databases")
	}
	server, err := url.Parse(named)
	if err != nil || server.Host == "" { // not err itself, which has the password
		tb.Fatal("TEST_DATABASE_URL is not postgres://USER:PASSWORD@HOST/postgres, of a role that may create databases")
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := server.String()
	run(tb, admin, "CREATE DATABASE "+name)
	tb.Cleanup(func() { run(tb, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	server.Path = "/" + name
	base.URL = server.String()
	return base
}

// run connects for one statement. The test's own context has ended when its cleanups run.
func run(tb testing.TB, server, statement string) {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Error(err)
	}
	if err := conn.Close(ctx); err != nil {
		tb.Error(err)
	}
}
