package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(secret, []byte("from-file.db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		environ []string
		flags   map[string]string
		check   func(*Config) (got, want any)
		err     string // part of the error
	}{
		{name: "default", check: func(c *Config) (any, any) { return c.GRPC.Timeout, 10 * time.Second }},
		{name: "default with the service's name", check: func(c *Config) (any, any) { return c.Database.URL, "notes.db" }},
		{
			name: "variable", environ: []string{"NOTES_GRPC_TIMEOUT=3s", "PATH=/bin", "OTHER_GRPC_TIMEOUT=4s"},
			check: func(c *Config) (any, any) { return c.GRPC.Timeout, 3 * time.Second },
		},
		{
			name: "the flag wins", environ: []string{"NOTES_GRPC_TIMEOUT=3s"}, flags: map[string]string{"GRPC_TIMEOUT": "5s"},
			check: func(c *Config) (any, any) { return c.GRPC.Timeout, 5 * time.Second },
		},
		{
			name: "from a file", environ: []string{"NOTES_DATABASE_URL_FILE=" + secret},
			check: func(c *Config) (any, any) { return c.Database.URL, "from-file.db" },
		},
		{
			name: "an empty variable is the default, with the service's name in it", environ: []string{"NOTES_DATABASE_URL=", "NOTES_GRPC_TIMEOUT="},
			check: func(c *Config) (any, any) {
				return [2]any{c.Database.URL, c.GRPC.Timeout}, [2]any{"notes.db", 10 * time.Second}
			},
		},
		{
			name: "set or not", environ: []string{"NOTES_DRAIN_DELAY=5s"},
			check: func(c *Config) (any, any) {
				return [2]bool{c.IsSet("DRAIN_DELAY"), c.IsSet("DATABASE_URL")}, [2]bool{true, false}
			},
		},
		{
			name: "what an orchestrator adds is no error", environ: []string{"NOTES_SERVICE_HOST=10.0.0.1", "NOTES_PORT=tcp://10.0.0.1:9090"},
			check: func(c *Config) (any, any) { return strings.Join(c.Unknown(), " "), "NOTES_PORT NOTES_SERVICE_HOST" },
		},
		{name: "file and variable", environ: []string{"NOTES_DATABASE_URL=x", "NOTES_DATABASE_URL_FILE=" + secret}, err: "NOTES_DATABASE_URL (--database-url): set it or NOTES_DATABASE_URL_FILE, not both"},
		{name: "file is missing", environ: []string{"NOTES_DATABASE_URL_FILE=/nowhere/at/all"}, err: "NOTES_DATABASE_URL_FILE: open /nowhere/at/all"},
		{name: "no duration", environ: []string{"NOTES_GRPC_TIMEOUT=abc"}, err: `NOTES_GRPC_TIMEOUT (--grpc-timeout): must be a duration such as 500ms or 10s, not "abc"`},
		{name: "no bool", flags: map[string]string{"INSECURE": "x"}, err: `NOTES_INSECURE (--insecure): must be true or false, not "x"`},
		{name: "no level", environ: []string{"NOTES_LOG_LEVEL=loud"}, err: "NOTES_LOG_LEVEL (--log-level): must be a level"},
		{name: "a limit of the relay", environ: []string{"NOTES_RELAY_HELD=10"}, err: "NOTES_RELAY_HELD (--relay-held): 10 is below RELAY_BATCH, 1000"},
		{name: "no attempt", environ: []string{"NOTES_RELAY_MAX_ATTEMPTS=0"}, err: "NOTES_RELAY_MAX_ATTEMPTS (--relay-max-attempts): 0 is below 1"},
		{name: "no time to stop", environ: []string{"NOTES_RELAY_DRAIN=0"}, err: "NOTES_RELAY_DRAIN (--relay-drain): must be positive"},
		{name: "no pause", environ: []string{"NOTES_RELAY_RETRY_MIN=0s"}, err: "NOTES_RELAY_RETRY_MIN (--relay-retry-min): must be positive"},
		{name: "no time for a handler", environ: []string{"NOTES_EVENT_TIMEOUT=0"}, err: "NOTES_EVENT_TIMEOUT (--event-timeout): must be positive"},
		{name: "a limit of the broker", environ: []string{"NOTES_BROKER_BACKLOG=0"}, err: "NOTES_BROKER_BACKLOG (--broker-backlog): 0 is below 1"},
		{name: "no file for the database", environ: []string{"NOTES_DATABASE_URL=:memory:"}, err: `NOTES_DATABASE_URL (--database-url): ":memory:" is not a file name`},
		{name: "a check of a part", environ: []string{"NOTES_GRPC_ADDR=0.0.0.0:9090"}, err: "NOTES_GRPC_ADDR (--grpc-addr): 0.0.0.0:9090 can be reached from other hosts"},
		{name: "sample share", environ: []string{"NOTES_TRACE_SAMPLE=1.5"}, err: "NOTES_TRACE_SAMPLE (--trace-sample): must be between 0 and 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(Source{Name: "notes", Prefix: "NOTES_", Environ: tt.environ, Flags: tt.flags})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q in it", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := tt.check(c); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestLoadReportsAll makes two mistakes: both are told at once.
func TestLoadReportsAll(t *testing.T) {
	_, err := Load(Source{Name: "n", Prefix: "N_", Environ: []string{"N_GRPC_TIMEOUT=x", "N_LOG_LEVEL=y"}})
	if err == nil || !strings.Contains(err.Error(), "N_GRPC_TIMEOUT") || !strings.Contains(err.Error(), "N_LOG_LEVEL") {
		t.Errorf("error %v, want both variables in it", err)
	}
}

// TestClientNeedsNoSecrets calls the running service from where its secrets are not mounted.
func TestClientNeedsNoSecrets(t *testing.T) {
	src := Source{Name: "n", Prefix: "N_", Environ: []string{"N_DATABASE_URL_FILE=/run/secrets/none"}}
	if _, err := Load(src); err == nil {
		t.Error("the service starts without its secret")
	}
	src.Client = true
	if _, err := Load(src); err != nil {
		t.Error(err)
	}
}

// TestFieldsAreComplete keeps the settings fit for people: every one has one name, one flag and a line of help.
func TestFieldsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Fields() {
		if seen[f.Key] {
			t.Errorf("%s is there twice", f.Key)
		}
		seen[f.Key] = true
		if f.Help == "" {
			t.Errorf("%s has no help", f.Key)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d settings found", len(seen))
	}
}

func TestRedaction(t *testing.T) {
	tests := []struct{ in, hidden, kept string }{
		{"postgres://app:pa55w0rd@db:5432/x?sslmode=verify-full", "pa55w0rd", "db:5432/x?sslmode=verify-full"},
		{"postgres://app:p@55:w0rd@db/x", "w0rd", "@db/x"},
		{"app:pa55w0rd@tcp(db:3306)/x", "pa55w0rd", "tcp(db:3306)/x"},
		{"host=db user=app password=pa55w0rd dbname=x", "pa55w0rd", "dbname=x"},
		{"host=db user=app password='2 pa55w0rd' dbname=x", "pa55w0rd", "dbname=x"},
		{"postgres://db/x?user=app&password=pa55w0rd", "pa55w0rd", "user=app"},
		{"amqps://app:pa55w0rd@mq/vhost", "pa55w0rd", "mq/vhost"},
		{"sample.db", "pa55w0rd", "sample.db"},
		{"127.0.0.1:9090", "pa55w0rd", "127.0.0.1:9090"},
	}
	for _, tt := range tests {
		if got := withoutPassword(tt.in); strings.Contains(got, tt.hidden) || !strings.Contains(got, tt.kept) {
			t.Errorf("%q is shown as %q", tt.in, got)
		}
	}
	for _, key := range []string{"RABBITMQ_PASSWORD", "CLIENT_SECRET", "API_TOKEN"} {
		if !secret(key) {
			t.Errorf("%s would be printed", key)
		}
	}
}
