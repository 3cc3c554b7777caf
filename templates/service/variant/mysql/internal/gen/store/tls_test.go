package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/variant/mysql/migrations"
	"github.com/svcgen/svcgen/test/rig"
)

// TestTLS: a server that takes TLS and a password only. What is wrong is said, and the password is not.
func TestTLS(t *testing.T) {
	server := rig.Private(t, rig.StartMySQLTLS)
	dsn, err := mysql.ParseDSN(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ password, params, ca, want string }{
		"right":          {rig.SecurePassword, "", server.CA(), ""},
		"another CA":     {rig.SecurePassword, "", server.OtherCA(), "signed by unknown authority"},
		"system's CAs":   {rig.SecurePassword, "?tls=true", "", "signed by unknown authority"},
		"wrong password": {"battery-staple", "", server.CA(), "Access denied"},
		"no TLS":         {rig.SecurePassword, "?tls=false", "", "Access denied"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(fmt.Sprintf("mysql://%s@%s/svcgen%s", url.UserPassword(rig.SecureUser, tt.password), dsn.Addr, tt.params))
			cfg.TLSCA = tt.ca
			var said bytes.Buffer
			db, err := Open(t.Context(), cfg, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			err = db.Ping(t.Context())
			if tt.want == "" {
				if err == nil {
					err = db.Migrate(t.Context(), migrations.FS)
				}
				if err != nil {
					t.Fatal(err)
				}
				err := db.InTx(t.Context(), func(_ context.Context, tx *Tx) error {
					return tx.Emit(outbox.Message{Topic: "t", Key: "a", Type: "T"})
				})
				if err != nil || pending(t, db) != 1 {
					t.Errorf("%d events, %v; want one", pending(t, db), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error()+said.String(), tt.password) {
				t.Errorf("the password is in %q or %q", err, said.String())
			}
		})
	}
}

// TestServerWithoutTLS: what to set is said when a server cannot speak it.
func TestServerWithoutTLS(t *testing.T) {
	cfg := testConfig(rig.MySQL(t) + "&tls=true")
	db := open(t, cfg)
	defer func() { _ = db.Close() }()
	if err := db.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "DATABASE_URL must say tls=false") {
		t.Errorf("got %v", err)
	}
}

// TestTLSDefault: nothing but the URL itself lets a connection leave this host unverified.
func TestTLSDefault(t *testing.T) {
	for u, want := range map[string]string{
		"mysql://app@db.example/x":               "true",
		"app@tcp(db.example:3306)/x":             "true",
		"mysql://app@db.example/x?tls=false":     "false",
		"mysql://app@db.example/x?tls=preferred": "preferred",
		"mysql://app@127.0.0.1/x":                "",
		"mysql://app@localhost:3307/x":           "",
		"app@unix(/run/mysqld/mysqld.sock)/x":    "",
	} {
		m, err := Config{URL: u}.options()
		if err != nil || m.TLSConfig != want {
			t.Errorf("%s: tls=%q, %v; want %q", u, m.TLSConfig, err, want)
		}
	}
}

// TestCheck: what cannot be used is told by its variable, and a URL is not quoted.
func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want string
	}{
		"no URL":           {Config{URL: "app:hunter2@db"}, "DATABASE_URL: must be"},
		"key alone":        {Config{URL: "mysql://app:hunter2@db/x", TLSKey: "k"}, "DATABASE_TLS_CERT: "},
		"two answers":      {Config{URL: "mysql://app:hunter2@db/x?tls=skip-verify", TLSCA: "ca"}, "DATABASE_URL: must not say tls=skip-verify"},
		"no file":          {Config{URL: "mysql://app:hunter2@db/x", TLSCA: "/nowhere/at/all"}, "DATABASE_TLS_CA: open"},
		"no such tls mode": {Config{URL: "mysql://app:hunter2@db/x?tls=nothing"}, "DATABASE_URL: must be"},
	} {
		_, err := tt.cfg.options()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}
