package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Config says where Kafka is and how to use it.
type Config struct {
	Brokers      []string `env:"KAFKA_BROKERS" envDefault:"localhost:9092" help:"kafka: HOST:PORT of brokers to begin with, separated by commas; the cluster names the others"`
	TLS          bool     `env:"KAFKA_TLS" envDefault:"false" help:"kafka: connect with TLS"`
	TLSCA        string   `env:"KAFKA_TLS_CA" help:"kafka: PEM file of the CAs that must have signed the cluster's certificates; the system's when empty"`
	TLSCert      string   `env:"KAFKA_TLS_CERT" help:"kafka: PEM file of the client's certificate"`
	TLSKey       string   `env:"KAFKA_TLS_KEY" help:"kafka: PEM file of the client's private key"`
	SASL         string   `env:"KAFKA_SASL" help:"kafka: plain, scram-sha-256 or scram-sha-512; empty for none"`
	User         string   `env:"KAFKA_USER" help:"kafka: user name for SASL"`
	Password     string   `env:"KAFKA_PASSWORD" help:"kafka: password for SASL"`
	PasswordFile string   `env:"KAFKA_PASSWORD_FILE" help:"kafka: file with the password; read at every connect, so that it can be rotated"`

	Window      int           `env:"KAFKA_WINDOW" envDefault:"4096" help:"kafka: messages sent and not yet acknowledged"`
	Timeout     time.Duration `env:"KAFKA_TIMEOUT" envDefault:"10s" help:"kafka: after which the outcome of a message counts as unknown"`
	Compression string        `env:"KAFKA_COMPRESSION" envDefault:"lz4" help:"kafka: lz4, snappy, zstd, gzip or none"`

	CreateTopics bool  `env:"KAFKA_CREATE_TOPICS" envDefault:"false" help:"kafka: create missing topics at their first use; for development"`
	Partitions   int32 `env:"KAFKA_PARTITIONS" envDefault:"-1" help:"kafka: of topics so created; -1 is the cluster's default"`
	Replication  int16 `env:"KAFKA_REPLICATION" envDefault:"-1" help:"kafka: of topics so created; -1 is the cluster's default"`

	Grace    time.Duration `env:"KAFKA_GRACE" envDefault:"4s" help:"kafka: how long a running handler may go on when its partition or subscription goes"`
	RetryMin time.Duration `env:"BROKER_RETRY_MIN" envDefault:"100ms" help:"broker: first pause after a handler's error"`
	RetryMax time.Duration `env:"BROKER_RETRY_MAX" envDefault:"10s" help:"broker: longest pause"`
}

// Check reports every value that cannot be used. Files are read when the broker is opened.
func (c Config) Check(bad func(key, problem string)) {
	if len(c.Brokers) == 0 || slices.Contains(c.Brokers, "") {
		bad("KAFKA_BROKERS", "must be HOST:PORT, separated by commas")
	}
	if c.Window < 1 {
		bad("KAFKA_WINDOW", fmt.Sprintf("%d is below 1", c.Window))
	}
	if c.Timeout < time.Second {
		bad("KAFKA_TIMEOUT", fmt.Sprintf("%v is below a second", c.Timeout))
	}
	if c.Grace < 0 {
		bad("KAFKA_GRACE", "must not be negative")
	}
	event.CheckRetry(c.RetryMin, c.RetryMax, bad)
	if !slices.Contains([]string{"lz4", "snappy", "zstd", "gzip", "none"}, c.Compression) {
		bad("KAFKA_COMPRESSION", fmt.Sprintf("%q is none of lz4, snappy, zstd, gzip, none", c.Compression))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("KAFKA_TLS_CERT", "certificate and key (KAFKA_TLS_KEY) go together: set both or none")
	}
	if !c.TLS && (c.TLSCA != "" || c.TLSCert != "") {
		bad("KAFKA_TLS", "must be true where KAFKA_TLS_CA or KAFKA_TLS_CERT is set")
	}
	if !slices.Contains([]string{"", "plain", "scram-sha-256", "scram-sha-512"}, c.SASL) {
		bad("KAFKA_SASL", fmt.Sprintf("%q is none of plain, scram-sha-256, scram-sha-512", c.SASL))
	}
	if (c.SASL == "") != (c.User == "") || c.SASL == "" && c.Password+c.PasswordFile != "" {
		bad("KAFKA_SASL", "mechanism and credentials (KAFKA_USER, KAFKA_PASSWORD) go together: set all or none")
	}
	if c.Password != "" && c.PasswordFile != "" {
		bad("KAFKA_PASSWORD", "set it or KAFKA_PASSWORD_FILE, not both")
	}
}

// exposed is a host to which credentials go unencrypted, or empty. With SCRAM the password itself does not, but what is
// on the way lets it be guessed, and the session be taken over.
func (c Config) exposed() string {
	if c.SASL == "" || c.TLS {
		return ""
	}
	for _, b := range c.Brokers {
		host, _, err := net.SplitHostPort(b)
		if err != nil {
			host = b
		}
		if !outbox.Loopback(host) {
			return host
		}
	}
	return ""
}

// options are what every client of the service has in common.
func (c Config) options(name string, log *slog.Logger) ([]kgo.Opt, error) {
	if err := outbox.Problems(c); err != nil {
		return nil, err
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(strings.Trim(strings.ReplaceAll(name, "/", "-"), "-")),
		kgo.WithLogger(logger{log}),
		kgo.DialTimeout(c.Timeout),
		// Without an answer a connection is given up after the sum of both, and the request is tried again.
		kgo.ProduceRequestTimeout(c.Timeout / 2), kgo.RequestTimeoutOverhead(c.Timeout / 2),
		// A topic that was created, or a leader that has moved, is found out soon.
		kgo.MetadataMinAge(250 * time.Millisecond), kgo.MetadataMaxAge(time.Minute),
	}
	if c.TLS {
		t, err := c.tlsConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(t))
	}
	mechanism, err := c.mechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (c Config) producerOptions() []kgo.Opt {
	codecs := map[string]kgo.CompressionCodec{
		"lz4": kgo.Lz4Compression(), "snappy": kgo.SnappyCompression(), "zstd": kgo.ZstdCompression(),
		"gzip": kgo.GzipCompression(), "none": kgo.NoCompression(),
	}
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),                                // what waits while a request is under way makes the next batch
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2, as Kafka's own client
		kgo.ProducerBatchCompression(codecs[c.Compression], kgo.NoCompression()),
		kgo.MaxBufferedRecords(2 * c.Window), // never reached: the window is smaller
		// A message whose answer does not come is reported as unknown and sent again by the relay, which has at most
		// one of a key in flight. That may write it twice; waiting without end would hold up its key.
		kgo.RecordDeliveryTimeout(c.Timeout), kgo.AllowIdempotentProduceCancellation(),
	}
}

// tlsConfig reads the files once: the client keeps the configuration.
func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("KAFKA_TLS_CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("KAFKA_TLS_CA: no certificate in %s", c.TLSCA)
		}
	}
	if c.TLSCert == "" {
		return t, nil
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
		return nil, fmt.Errorf("KAFKA_TLS_CERT: %w", err)
	}
	// At every handshake, so that it can be renewed without a restart.
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		return &pair, err
	}
	return t, nil
}

func (c Config) mechanism() (sasl.Mechanism, error) {
	if _, err := c.password(); err != nil {
		return nil, err
	}
	scramAuth := func(context.Context) (scram.Auth, error) {
		password, err := c.password()
		return scram.Auth{User: c.User, Pass: password}, err
	}
	switch c.SASL {
	case "":
		return nil, nil
	case "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := c.password()
			return plain.Auth{User: c.User, Pass: password}, err
		}), nil
	case "scram-sha-256":
		return scram.Sha256(scramAuth), nil
	case "scram-sha-512":
		return scram.Sha512(scramAuth), nil
	}
	return nil, fmt.Errorf("unknown SASL mechanism %q", c.SASL)
}

func (c Config) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("KAFKA_PASSWORD_FILE: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
