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
	"time"

	"github.com/svcgen/svcgen/test/rig"
)

// TestTLS: a server that takes TLS and a password only. What is wrong is said, and the password is not.
func TestTLS(t *testing.T) {
	server := rig.Private(t, rig.StartRabbitMQTLS)
	host := server.URL()[strings.LastIndex(server.URL(), "@")+1:]
	secret := func(content string) string {
		path := filepath.Join(t.TempDir(), "password")
		must(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
		return path
	}
	for name, tt := range map[string]struct {
		url, password, ca, want string
	}{
		"right":          {"amqps://" + rig.SecureUser + "@" + host, rig.SecurePassword, server.CA(), ""},
		"another CA":     {"amqps://" + rig.SecureUser + "@" + host, rig.SecurePassword, server.OtherCA(), "signed by unknown authority"},
		"system's CAs":   {"amqps://" + rig.SecureUser + "@" + host, rig.SecurePassword, "", "signed by unknown authority"},
		"wrong password": {"amqps://" + rig.SecureUser + "@" + host, "battery-staple", server.CA(), "username or password not allowed"},
		"no TLS":         {"amqp://" + rig.SecureUser + "@" + host, rig.SecurePassword, "", "connect to RabbitMQ"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(tt.url)
			cfg.TLSCA, cfg.PasswordFile = tt.ca, secret(tt.password)
			var said buffer
			b, err := Open(t.Context(), cfg, testSource, slog.New(slog.NewTextHandler(&said, nil)))
			must(t, err)
			defer func() { must(t, b.Close(t.Context())) }()
			if tt.want == "" {
				connected(t, b)
				topic := rig.Unique("orders")
				wantRejection(t, publish(t, b, message(topic, "k"))) // nobody wants it; the server says so
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

func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(file, []byte("from-file\n"), 0o600))
	for _, tt := range []struct {
		cfg            Config
		user, password string
	}{
		{Config{URL: "amqp://app:in-url@mq/"}, "app", "in-url"},
		{Config{URL: "amqp://app@mq/", PasswordFile: file}, "app", "from-file"},
		{Config{URL: "amqp://app:in-url@mq/", User: "other", Password: "set"}, "other", "set"},
		{Config{URL: "amqp://mq/"}, "", ""},
	} {
		user, password, err := tt.cfg.credentials()
		if err != nil || user != tt.user || password != tt.password {
			t.Errorf("%+v: %q, %q, %v", tt.cfg, user, password, err)
		}
	}
}

// TestCheck: what cannot be used is told by its variable, and a URL is not quoted.
func TestCheck(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"RABBITMQ_URL":       func(c *Config) { c.URL = "http://app:hunter2@mq/" },
		"RABBITMQ_WINDOW":    func(c *Config) { c.Window = 0 },
		"RABBITMQ_LANES":     func(c *Config) { c.Lanes = 0 },
		"RABBITMQ_TIMEOUT":   func(c *Config) { c.Timeout = 0 },
		"RABBITMQ_TLS_CA":    func(c *Config) { c.URL, c.TLSCA = "amqps://mq/", "/nowhere/at/all" },
		"RABBITMQ_HEARTBEAT": func(c *Config) { c.Heartbeat = 1 },
		"RABBITMQ_TLS_CERT":  func(c *Config) { c.URL, c.TLSKey = "amqps://mq/", "k" },
		"RABBITMQ_PASSWORD":  func(c *Config) { c.Password, c.PasswordFile = "hunter2", "f" },
		"BROKER_RETRY_MAX":   func(c *Config) { c.RetryMax = 0 },
	} {
		cfg := config("amqp://mq/")
		change(&cfg)
		_, err := Open(t.Context(), cfg, testSource, nopLog())
		if err == nil || !strings.Contains(err.Error(), "open broker: "+key+": ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", key, err)
		}
	}
	cfg := config("amqp://mq/")
	cfg.TLSCA = "ca"
	if _, err := Open(t.Context(), cfg, testSource, nopLog()); err == nil || !strings.Contains(err.Error(), "must begin with amqps://") {
		t.Errorf("TLS files and a plaintext URL: %v", err)
	}
}

func nopLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestPasswordWithoutTLS: one that leaves this host unencrypted is told of at start, and works.
func TestPasswordWithoutTLS(t *testing.T) {
	for url, told := range map[string]bool{
		"amqp://app:pa55w0rd@mq.example.com/":    true,
		"amqp://app:pa55w0rd@192.0.2.1:5672/":    true,
		"amqps://app:pa55w0rd@mq.example.com/":   false,
		"amqp://app:pa55w0rd@localhost:5672/":    false,
		"amqp://app:pa55w0rd@127.0.0.1:5672/dev": false,
		"amqp://app:pa55w0rd@[::1]:5672/":        false,
		"amqp://mq.example.com/":                 false, // no password of ours
	} {
		cfg := config(url)
		cfg.Timeout = time.Millisecond // nobody is there
		var said buffer
		b, err := Open(t.Context(), cfg, testSource, slog.New(slog.NewTextHandler(&said, nil)))
		must(t, err)
		must(t, b.Close(t.Context()))
		if log := said.String(); strings.Contains(log, "without TLS") != told || strings.Contains(log, "pa55w0rd") {
			t.Errorf("%s: told %v\n%s", url, !told, log)
		}
	}
}
