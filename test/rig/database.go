package rig

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// Unique returns a name that no other test, process or earlier run on the same server uses.
func Unique(prefix string) string {
	return fmt.Sprintf("%s_%x_%08x", prefix, time.Now().UnixMilli(), rand.Uint32())
}

func ownPostgresDatabase(t testing.TB, server string) string {
	t.Helper()
	name := Unique("t")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: %v", EnvPostgres, err)
	}
	ownDatabase(t, "pgx", server, "CREATE DATABASE "+name, "DROP DATABASE "+name+" WITH (FORCE)")
	u.Path = "/" + name
	return u.String()
}

func ownMySQLDatabase(t testing.TB, server string) string {
	t.Helper()
	name := Unique("t")
	config, err := mysql.ParseDSN(server)
	if err != nil {
		t.Fatalf("%s: %v", EnvMySQL, err)
	}
	ownDatabase(t, "mysql", server, "CREATE DATABASE "+name, "DROP DATABASE "+name)
	config.DBName = name
	return config.FormatDSN()
}

func ownDatabase(t testing.TB, driver, server, create, drop string) {
	t.Helper()
	exec := func(statement string) error {
		db, err := sql.Open(driver, server)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }() // a connection of the test rig's own
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err = db.ExecContext(ctx, statement)
		return err
	}
	if err := exec(create); err != nil {
		t.Fatalf("test rig: %s: %v", strings.ToLower(create), err)
	}
	t.Cleanup(func() {
		// The server may be a victim of the test; then the rig removes its data anyway.
		if err := exec(drop); err != nil {
			t.Logf("test rig: %s: %v", strings.ToLower(drop), err)
		}
	})
}
