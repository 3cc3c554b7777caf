package broker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Config says where RabbitMQ is and how to use it.
type Config struct {
	URL          string `env:"RABBITMQ_URL" envDefault:"amqp://localhost:5672/" help:"rabbitmq: amqp:// or, for TLS, amqps://HOST:PORT/VHOST"`
	User         string `env:"RABBITMQ_USER" help:"rabbitmq: instead of the one in the URL"`
	Password     string `env:"RABBITMQ_PASSWORD" help:"rabbitmq: instead of the one in the URL"`
	PasswordFile string `env:"RABBITMQ_PASSWORD_FILE" help:"rabbitmq: file with the password; read at every connect, so that it can be rotated"`
	TLSCA        string `env:"RABBITMQ_TLS_CA" help:"rabbitmq: PEM file of the CAs that must have signed the server's certificate; the system's when empty"`
	TLSCert      string `env:"RABBITMQ_TLS_CERT" help:"rabbitmq: PEM file of the client's certificate"`
	TLSKey       string `env:"RABBITMQ_TLS_KEY" help:"rabbitmq: PEM file of the client's private key"`

	Window    int           `env:"RABBITMQ_WINDOW" envDefault:"1024" help:"rabbitmq: messages sent and not yet confirmed"`
	Timeout   time.Duration `env:"RABBITMQ_TIMEOUT" envDefault:"10s" help:"rabbitmq: for connecting, for a write, and for a confirm"`
	Heartbeat time.Duration `env:"RABBITMQ_HEARTBEAT" envDefault:"10s" help:"rabbitmq: a server silent for three of them is gone"`
	Declare   bool          `env:"RABBITMQ_DECLARE" envDefault:"true" help:"rabbitmq: create missing exchanges and queues"`
	Mandatory bool          `env:"RABBITMQ_MANDATORY" envDefault:"true" help:"rabbitmq: refuse what no queue wants, rather than let the broker drop it"`

	Prefetch int           `env:"RABBITMQ_PREFETCH" envDefault:"64" help:"rabbitmq: deliveries held for each subscription"`
	Lanes    int           `env:"RABBITMQ_LANES" envDefault:"8" help:"rabbitmq: handlers at once for each subscription; one at a time for each key"`
	Grace    time.Duration `env:"RABBITMQ_GRACE" envDefault:"4s" help:"rabbitmq: how long a running handler may go on when its subscription ends"`
	RetryMin time.Duration `env:"BROKER_RETRY_MIN" envDefault:"100ms" help:"broker: first pause after a handler's error"`
	RetryMax time.Duration `env:"BROKER_RETRY_MAX" envDefault:"10s" help:"broker: longest pause"`
}

// Check reports every value that cannot be used. Files are read when the broker is opened.
func (c Config) Check(bad func(key, problem string)) {
	for key, n := range map[string]int{"RABBITMQ_WINDOW": c.Window, "RABBITMQ_PREFETCH": c.Prefetch, "RABBITMQ_LANES": c.Lanes} {
		if n < 1 {
			bad(key, fmt.Sprintf("%d is below 1", n))
		}
	}
	if c.Timeout <= 0 {
		bad("RABBITMQ_TIMEOUT", "must be positive")
	}
	if c.Heartbeat < time.Second {
		bad("RABBITMQ_HEARTBEAT", fmt.Sprintf("%v is below a second", c.Heartbeat))
	}
	if c.Grace < 0 {
		bad("RABBITMQ_GRACE", "must not be negative")
	}
	event.CheckRetry(c.RetryMin, c.RetryMax, bad)
	if c.Password != "" && c.PasswordFile != "" {
		bad("RABBITMQ_PASSWORD", "set it or RABBITMQ_PASSWORD_FILE, not both")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("RABBITMQ_TLS_CERT", "certificate and key (RABBITMQ_TLS_KEY) go together: set both or none")
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Host == "": // not quoted: it may hold a password
		bad("RABBITMQ_URL", "must be of the form amqp://host:port/vhost, or amqps:// for TLS")
	case u.Scheme == "amqp" && (c.TLSCA != "" || c.TLSCert != ""):
		bad("RABBITMQ_URL", "must begin with amqps:// where RABBITMQ_TLS_CA or RABBITMQ_TLS_CERT is set")
	}
}

// credentials returns what to log in with. User and password each come from the URL where they are not set beside it.
func (c Config) credentials() (user, password string, err error) {
	user, password = c.User, c.Password
	if c.PasswordFile != "" {
		b, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", "", fmt.Errorf("RABBITMQ_PASSWORD_FILE: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.User == nil {
		return user, password, nil
	}
	if user == "" {
		user = u.User.Username()
	}
	if password == "" {
		password, _ = u.User.Password()
	}
	return user, password, nil
}

// exposed is the host to which the password goes unencrypted, or empty.
func (c Config) exposed() string {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "amqp" || outbox.Loopback(u.Hostname()) {
		return ""
	}
	if _, password, err := c.credentials(); err != nil || password == "" {
		return ""
	}
	return u.Hostname()
}

// tlsConfig is read at every connect, so that certificates can be renewed without a restart.
func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("RABBITMQ_TLS_CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("RABBITMQ_TLS_CA: no certificate in %s", c.TLSCA)
		}
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("RABBITMQ_TLS_CERT: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
