package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
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

	Window    int           `env:"RABBITMQ_WINDOW" envDefault:"256" help:"rabbitmq: messages sent and not yet confirmed"`
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

func (c Config) check() error {
	switch {
	case c.Window < 1 || c.Prefetch < 1 || c.Lanes < 1:
		return fmt.Errorf("window %d, prefetch %d and lanes %d must be positive", c.Window, c.Prefetch, c.Lanes)
	case c.Timeout <= 0 || c.Grace < 0 || c.RetryMin <= 0 || c.RetryMax < c.RetryMin:
		return fmt.Errorf("timeout %v, grace %v, retry %v to %v: must be positive and in order", c.Timeout, c.Grace, c.RetryMin, c.RetryMax)
	case c.Heartbeat < time.Second:
		return fmt.Errorf("heartbeat %v is below a second", c.Heartbeat)
	case c.Password != "" && c.PasswordFile != "":
		return errors.New("password and password file are both set")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("TLS certificate and key need each other")
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Host == "" {
		return errors.New("RABBITMQ_URL is not of the form amqp://host:port/vhost") // it may hold a password
	}
	if u.Scheme == "amqp" && (c.TLSCA != "" || c.TLSCert != "") {
		return errors.New("TLS files are set, and yet the URL says amqp://, not amqps://")
	}
	return nil
}

// credentials returns what to log in with, in place of what the URL says; empty where the URL counts.
func (c Config) credentials() (user, password string, err error) {
	if c.PasswordFile == "" {
		return c.User, c.Password, nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", "", fmt.Errorf("password file: %w", err)
	}
	return c.User, strings.TrimRight(string(b), "\r\n"), nil
}

// tlsConfig is read at every connect, so that certificates can be renewed without a restart.
func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("TLS CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("TLS CA: no certificate in %s", c.TLSCA)
		}
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("TLS certificate: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
