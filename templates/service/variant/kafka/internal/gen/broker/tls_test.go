package broker

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/svcgen/svcgen/test/rig"
)

// TestTLS: a cluster that takes TLS and a password only. What is wrong is said, and the password is not.
func TestTLS(t *testing.T) {
	cluster := rig.Private(t, rig.StartKafkaTLS)
	server := cluster.Nodes[0]
	for name, tt := range map[string]struct {
		tls                      bool
		sasl, password, ca, want string
	}{
		"scram":               {true, "scram-sha-256", rig.SecurePassword, server.CA(), ""},
		"plain":               {true, "plain", rig.SecurePassword, server.CA(), ""},
		"another CA":          {true, "plain", rig.SecurePassword, server.OtherCA(), "signed by unknown authority"},
		"system's CAs":        {true, "plain", rig.SecurePassword, "", "signed by unknown authority"},
		"wrong scram":         {true, "scram-sha-256", "battery-staple", server.CA(), "SASL_AUTHENTICATION_FAILED"},
		"wrong plain":         {true, "plain", "battery-staple", server.CA(), "SASL_AUTHENTICATION_FAILED"},
		"mechanism not known": {true, "scram-sha-512", rig.SecurePassword, server.CA(), "UNSUPPORTED_SASL_MECHANISM"},
		"no TLS":              {false, "plain", rig.SecurePassword, "", "tls endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(cluster.Brokers())
			cfg.TLS, cfg.TLSCA, cfg.SASL, cfg.User, cfg.CreateTopics = tt.tls, tt.ca, tt.sasl, rig.SecureUser, true
			cfg.PasswordFile = filepath.Join(t.TempDir(), "password")
			must(t, os.WriteFile(cfg.PasswordFile, []byte(tt.password+"\n"), 0o600))
			var said buffer
			b, err := Open(t.Context(), cfg, testSource, slog.New(slog.NewTextHandler(&said, nil)))
			must(t, err)
			defer func() { must(t, b.Close(t.Context())) }()
			if tt.want == "" {
				connected(t, b)
				must(t, publish(t, b, message(rig.Unique("orders"), "k")))
				return
			}
			// On a loaded machine it may say first that an answer took too long.
			eventually(t, fmt.Sprintf("it says %q", tt.want), func() error {
				if err = b.Status(); err == nil || !strings.Contains(err.Error(), tt.want) {
					return fmt.Errorf("status %w", err)
				}
				return nil
			})
			if all := err.Error() + said.String(); strings.Contains(all, tt.password) {
				t.Errorf("the password is in %q", all)
			}
		})
	}
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestCheck: what cannot be used is told by its variable, and secrets are not quoted.
func TestCheck(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"KAFKA_BROKERS":       func(c *Config) { c.Brokers = nil },
		"KAFKA_WINDOW":        func(c *Config) { c.Window = 0 },
		"KAFKA_TIMEOUT":       func(c *Config) { c.Timeout = 1 },
		"KAFKA_COMPRESSION":   func(c *Config) { c.Compression = "rar" },
		"KAFKA_TLS":           func(c *Config) { c.TLSCA = "ca" },
		"KAFKA_TLS_CERT":      func(c *Config) { c.TLS, c.TLSCert = true, "c" },
		"KAFKA_TLS_CA":        func(c *Config) { c.TLS, c.TLSCA = true, "/nowhere/at/all" },
		"KAFKA_SASL":          func(c *Config) { c.SASL, c.User, c.Password = "magic", "app", "hunter2" },
		"KAFKA_PASSWORD":      func(c *Config) { c.SASL, c.User, c.Password, c.PasswordFile = "plain", "app", "hunter2", "f" },
		"KAFKA_PASSWORD_FILE": func(c *Config) { c.SASL, c.User, c.PasswordFile = "plain", "app", "/nowhere/at/all" },
		"BROKER_RETRY_MIN":    func(c *Config) { c.RetryMin = 0 },
	} {
		cfg := config("localhost:9092")
		change(&cfg)
		_, err := Open(t.Context(), cfg, testSource, nopLog())
		if err == nil || !strings.Contains(err.Error(), "open broker: "+key+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", key, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"credentials alone": func(c *Config) { c.User, c.Password = "app", "hunter2" },
		"mechanism alone":   func(c *Config) { c.SASL = "plain" },
	} {
		cfg := config("localhost:9092")
		change(&cfg)
		if _, err := Open(t.Context(), cfg, testSource, nopLog()); err == nil || !strings.Contains(err.Error(), "go together") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestCredentialsWithoutTLS: those that leave this host unencrypted are told of at start, and work.
func TestCredentialsWithoutTLS(t *testing.T) {
	for _, tt := range []struct {
		brokers, sasl string
		tls, told     bool
	}{
		{"localhost:9092,kafka.example.com:9092", "plain", false, true},
		{"192.0.2.1:9092", "scram-sha-256", false, true},
		{"kafka.example.com:9092", "plain", true, false},
		{"kafka.example.com:9092", "", false, false},
		{"localhost:9092,127.0.0.1:9093,[::1]:9094", "plain", false, false},
	} {
		cfg := config(tt.brokers)
		if cfg.SASL, cfg.TLS = tt.sasl, tt.tls; tt.sasl != "" {
			cfg.User, cfg.Password = "app", "pa55w0rd"
		}
		var said buffer
		b, err := Open(t.Context(), cfg, testSource, slog.New(slog.NewTextHandler(&said, nil)))
		must(t, err)
		must(t, b.Close(t.Context()))
		if log := said.String(); strings.Contains(log, "without TLS") != tt.told || strings.Contains(log, "pa55w0rd") {
			t.Errorf("%+v: told %v\n%s", tt, !tt.told, log)
		}
	}
}
