// Package testdb says where tests find a database. It belongs to the database the service was made for: here
// every test has a MySQL database of its own, on the server that TEST_DATABASE_URL names.
package testdb

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/variant/mysql/internal/gen/store"
)

// Config returns base, changed so that it names an empty database which only this test uses. Where no server is
// named it skips the test and says how to name one.
func Config(tb testing.TB, base store.Config) store.Config {
	tb.Helper()
	named := os.Getenv("TEST_DATABASE_URL")
	if named == "" {
		tb.Skip("needs MySQL: set TEST_DATABASE_URL to mysql://USER:PASSWORD@HOST:3306/, of a user who may create databases")
	}
	server, err := url.Parse(named)
	if err != nil || server.Host == "" { // not err itself, which has the password
		tb.Fatal("TEST_DATABASE_URL is not mysql://USER:PASSWORD@HOST:3306/, of a user who may create databases")
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run(tb, server, "CREATE DATABASE "+name)
	tb.Cleanup(func() { run(tb, server, "DROP DATABASE "+name) })
	server.Path = "/" + name
	base.URL = server.String()
	return base
}

// run connects for one statement. The test's own context has ended when its cleanups run.
func run(tb testing.TB, server *url.URL, statement string) {
	tb.Helper()
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User = "tcp", server.Host, server.User.Username()
	cfg.Passwd, _ = server.User.Password()
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	db := sql.OpenDB(connector)
	if _, err := db.ExecContext(context.WithoutCancel(tb.Context()), statement); err != nil {
		tb.Error(err)
	}
	if err := db.Close(); err != nil {
		tb.Error(err)
	}
}
