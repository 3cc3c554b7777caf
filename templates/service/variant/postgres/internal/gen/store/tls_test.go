package store

import (
	"bytes"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/templates/service/variant/postgres/migrations"
	"github.com/svcgen/svcgen/test/rig"
)

// TestTLS: a server that takes TLS and a password only. What is wrong is said, and the password is not.
func TestTLS(t *testing.T) {
	server := rig.Private(t, rig.StartPostgresTLS)
	for name, tt := range map[string]struct{ password, mode, ca, want string }{
		"right":          {rig.SecurePassword, "verify-full", server.CA(), ""},
		"another CA":     {rig.SecurePassword, "verify-full", server.OtherCA(), "signed by unknown authority"},
		"wrong password": {"battery-staple", "verify-full", server.CA(), "password authentication failed"},
		"no TLS":         {rig.SecurePassword, "disable", "", "no encryption"},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(server.URL())
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(rig.SecureUser, tt.password)
			u.RawQuery = url.Values{"sslmode": {tt.mode}, "sslrootcert": {tt.ca}}.Encode()
			var said bytes.Buffer
			db, err := Open(t.Context(), testConfig(u.String()), slog.New(slog.NewTextHandler(&said, nil)))
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
				emit(t, db, 3)
				if n := drain(t, db.Queue(), leaseAll(t, db.Queue(), "r")); n != 3 {
					t.Errorf("%d rows, want 3", n)
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

// TestTLSDefault: nothing but the URL itself, or PGSSLMODE, lets a connection leave this host unverified.
func TestTLSDefault(t *testing.T) {
	for _, tt := range []struct {
		url, pgsslmode string
		verified, tls  bool
	}{
		{url: "postgres://app@db.example/x", verified: true, tls: true},
		{url: "host=db.example user=app", verified: true, tls: true},
		{url: "postgres://app@localhost,db.example/x", verified: true, tls: true},
		{url: "postgres://app@db.example/x?sslmode=disable"},
		{url: "postgres://app@db.example/x?sslmode=require", tls: true},
		{url: "postgres://app@db.example/x", pgsslmode: "disable"},
		{url: "postgres://app@localhost/x?connect_timeout=3", tls: true}, // the driver's own: TLS where the server has it
		{url: "postgres:///x?host=/run/postgresql"},
	} {
		t.Setenv("PGSSLMODE", tt.pgsslmode)
		p, err := Config{URL: tt.url}.business()
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		c := p.ConnConfig
		plain := c.TLSConfig == nil
		verified := !plain && !c.TLSConfig.InsecureSkipVerify
		for _, f := range c.Fallbacks {
			verified = verified && f.TLSConfig != nil && !f.TLSConfig.InsecureSkipVerify
		}
		if verified != tt.verified || plain == tt.tls {
			t.Errorf("%s: verified %v, plaintext first %v", tt.url, verified, plain)
		}
	}
}

// TestCheck: a URL that cannot be used is told by its variable, and not quoted.
func TestCheck(t *testing.T) {
	for _, bad := range []string{"postgres://app:hunter2@db:port/x", "app:hunter2", "postgres://app:hunter2@db/x?sslrootcert=/nowhere/at/all&sslmode=verify-full"} {
		var said []string
		Config{URL: bad}.Check(func(key, problem string) { said = append(said, key+": "+problem) })
		_, err := Config{URL: bad}.business()
		if len(said) != 1 || !strings.HasPrefix(said[0], "DATABASE_URL: ") || err == nil || strings.Contains(said[0]+err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v", bad, said, err)
		}
	}
}
