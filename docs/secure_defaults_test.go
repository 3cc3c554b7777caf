package docs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// safeguard is a default of an emitted service: where the emitted code says so, and which test fails when it no
// longer does.
type safeguard struct {
	setting, value string
	file, line     string // below golden, and what its line contains
	testFile, test string // below templates/service
}

const (
	emitted    = "cmd/sample/defaults_test.go"
	secure     = "TestSecureDefaults"
	deployment = "orders/deploy/deployment.yaml"
	gen        = "internal/gen/"
	onPostgres = "variant/postgres/internal/gen/store/"
	onMySQL    = "variant/mysql/internal/gen/store/"
	onKafka    = "variant/kafka/internal/gen/broker/"
	onRabbit   = "variant/rabbitmq/internal/gen/broker/"
)

var safeguards = []struct {
	title string
	rows  []safeguard
}{
	{"gRPC server", []safeguard{
		{"streams on a connection", "250", "orders/" + gen + "rpc/config.go", "maxConcurrentStreams = 250", emitted, secure},
		{"calls served at once", "64 for each CPU, at least 128; more are refused", "orders/" + gen + "rpc/config.go", "max(128, 64*", gen + "rpc/chain_test.go", "TestOverload"},
		{"message in and out", "4 MiB", "orders/" + gen + "rpc/config.go", "GRPC_MAX_RECV_BYTES", emitted, secure},
		{"header list", "16 KiB", "orders/" + gen + "rpc/config.go", "maxHeaderListBytes   = ", emitted, secure},
		{"handshake", "10 s", "orders/" + gen + "rpc/config.go", "connectionTimeout    = ", emitted, secure},
		{"connections", "5,000; more are closed at once", "orders/" + gen + "rpc/config.go", "maxConnections       = ", gen + "rpc/tls_test.go", "TestCappedListener"},
		{"keepalive, idle, age, grace", "2 min, 15 min, 30 min, 30 s", "orders/" + gen + "rpc/config.go", "keepaliveTime    = ", emitted, secure},
		{"pings of a client", "20 s apart", "orders/" + gen + "rpc/config.go", "keepaliveMinTime = ", emitted, secure},
		{"deadline of a call that has none", "10 s, handed on to database and broker", "orders/" + gen + "rpc/config.go", "GRPC_TIMEOUT", gen + "rpc/chain_test.go", "TestDeadline"},
		{"panic", "Internal, no text for the client, stack in the log", "orders/" + gen + "rpc/chain.go", "recover()", gen + "rpc/chain_test.go", "TestErrors"},
		{"plaintext for other hosts", "refused", "orders/" + gen + "rpc/config.go", "can be reached from other hosts", gen + "rpc/defaults_test.go", "TestConfigCheck"},
		{"TLS", "1.2 or later, HTTP/2, read again when the files change, the last good ones kept", "orders/" + gen + "rpc/tls.go", "MinVersion:", gen + "rpc/tls_test.go", "TestTLSReload"},
		{"client certificates", "asked for and verified where a CA is set", "orders/" + gen + "rpc/tls.go", "RequireAndVerifyClientCert", gen + "rpc/tls_test.go", "TestTLSRefuses"},
		{"reflection, channelz", "off", "orders/" + gen + "rpc/config.go", "REFLECTION", emitted, secure},
		{"health", "for each service; watches end when it drains", "orders/" + gen + "rpc/server.go", "RegisterHealthServer", gen + "rpc/shutdown_test.go", "TestShutdownEndsWatch"},
	}},
	{"Stopping and probes", []safeguard{
		{"stop", "not serving, drain delay 5 s, calls 20 s, relay 5 s, each with a limit", "orders/" + gen + "app/run.go", "func (s *Service) shutdown", gen + "app/service_test.go", "TestShutdown"},
		{"calls that do not end", "cancelled after the grace", "orders/" + gen + "rpc/server.go", "calls did not finish in time", gen + "rpc/shutdown_test.go", "TestShutdownCancels"},
		{"preStop", "a native sleep of 5 s", deployment, "preStop:", emitted, secure},
		{"termination grace", "45 s, above the sum of the steps", deployment, "terminationGracePeriodSeconds: 45", emitted, secure},
		{"liveness", "the process alone", "orders/" + gen + "admin/admin.go", "GET /livez", gen + "admin/admin_test.go", "TestProbes"},
		{"readiness", "the database, after three failures; never the broker", "orders/" + gen + "app/ready.go", "pingFailures = 3", gen + "app/ready_test.go", "TestReadiness"},
		{"startup probe", "one minute", deployment, "startupProbe:", emitted, secure},
	}},
	{"Side port", []safeguard{
		{"address", "loopback", "orders/" + gen + "admin/admin.go", "ADMIN_ADDR", emitted, secure},
		{"HTTP limits", "headers 5 s and 16 KiB, idle 60 s", "orders/" + gen + "admin/admin.go", "readHeaderTimeout = ", gen + "admin/admin_test.go", "TestLimits"},
		{"pprof, debug pages", "not there", "orders/" + gen + "admin/admin.go", "Profiling is", gen + "app/service_test.go", "TestAdminPages"},
	}},
	{"Database", []safeguard{
		{"PostgreSQL on another host", "`sslmode=verify-full` unless the URL says otherwise", "orders/" + gen + "store/config.go", `q.Set("sslmode"`, onPostgres + "tls_test.go", "TestTLSDefault"},
		{"MySQL on another host", "a certificate that verifies, unless the URL says otherwise", "inventory/" + gen + "store/config.go", `m.TLSConfig = "true"`, onMySQL + "tls_test.go", "TestTLSDefault"},
		{"statement, lock", "5 s, 2 s", "orders/" + gen + "store/config.go", "DATABASE_STATEMENT_TIMEOUT", emitted, secure},
		{"connections", "16 for requests, 3 of the relay's own", "orders/" + gen + "store/config.go", "DATABASE_MAX_CONNS", onPostgres + "fault_test.go", "TestPoolExhausted"},
		{"stacked statements", "one statement to a command", "inventory/" + gen + "store/config.go", "m.MultiStatements = true, false", onMySQL + "wire_test.go", "TestRoundTrips"},
		{"migrations", "a command, under a role of their own where there is one", deployment, "orders-migrate", onPostgres + "fault_test.go", "TestLeastPrivilege"},
		{"loss", "commits with events wait for the disk", "orders/" + gen + "store/flush.go", "SET LOCAL synchronous_commit = on", onPostgres + "fault_test.go", "TestDurable"},
	}},
	{"Broker and relay", []safeguard{
		{"Kafka", "all in-sync replicas, idempotent", "orders/" + gen + "broker/config.go", "AllISRAcks", onKafka + "fault_test.go", "TestLeaderOfThreeKilled"},
		{"Kafka offsets", "after the handler", "orders/" + gen + "broker/subscribe.go", "AutoCommitMarks", onKafka + "subscribe_test.go", "TestUnfinishedComesAgain"},
		{"Kafka topics", "not created by a mistyped name", "orders/" + gen + "broker/config.go", "KAFKA_CREATE_TOPICS", onKafka + "publish_test.go", "TestMissingTopic"},
		{"RabbitMQ", "confirmed, persistent, mandatory", "payments/" + gen + "broker/config.go", "RABBITMQ_MANDATORY", onRabbit + "publish_test.go", "TestRefusals"},
		{"RabbitMQ queues", "quorum, no delivery limit beyond which a message is dropped, acknowledged after the handler", "payments/" + gen + "broker/topology.go", "x-delivery-limit", onRabbit + "subscribe_test.go", "TestUnfinishedComesAgain"},
		{"TLS and passwords", "certificates verified; passwords from files, read at every connect; a warning when one goes to another host without TLS", "payments/" + gen + "broker/config.go", "RABBITMQ_PASSWORD_FILE", onRabbit + "tls_test.go", "TestTLS"},
		{"an event's handler", "30 s, then it is tried again", "orders/" + gen + "config/config.go", "EVENT_TIMEOUT", gen + "app/consume_test.go", "TestTakeHasADeadline"},
		{"memory of Kafka consumers", "1,000 records of a partition, 16 MiB of a subscription", "orders/" + gen + "broker/consumer.go", "heldBytes = ", onKafka + "subscribe_test.go", "TestMemoryIsBounded"},
		{"refused events", "20 attempts within about a minute, then set aside; their key waits", "orders/" + gen + "outbox/config.go", "RELAY_ON_DEAD", emitted, secure},
		{"memory of the relay", "8,000 rows and 32 MiB", "orders/" + gen + "outbox/config.go", "RELAY_HELD_BYTES", gen + "outbox/cases_test.go", "TestConfig"},
	}},
	{"What is told to whom", []safeguard{
		{"errors", "clients get a code and a public text", "orders/" + gen + "rpc/errors.go", "func (c *chain) translate", gen + "rpc/chain_test.go", "TestErrors"},
		{"log", "no payload, no metadata", "orders/" + gen + "rpc/chain.go", "func (c *chain) access", gen + "rpc/chain_test.go", "TestLogHasNoPayload"},
		{"secrets", "from files; never shown, nor a password in a URL", "orders/" + gen + "config/fields.go", "func withoutPassword", gen + "config/config_test.go", "TestRedaction"},
		{"metric labels", "method and code of known methods", "orders/" + gen + "rpc/method.go", "func (m *method) record", gen + "rpc/observe_test.go", "TestMetrics"},
		{"traces", "1 %, or what the caller decided", "orders/" + gen + "telemetry/telemetry.go", "ParentBased", gen + "rpc/observe_test.go", "TestTrace"},
	}},
	{"Container, Kubernetes, CI", []safeguard{
		{"images", "by digest; no shell, nobody's user", "orders/Dockerfile", "USER 65532:65532", emitted, secure},
		{"binary", "static, without paths of the build", "orders/Dockerfile", "-trimpath", "", ""},
		{"root file system, capabilities, escalation", "read only, none, none", deployment, "readOnlyRootFilesystem: true", emitted, secure},
		{"service account token", "not mounted", deployment, "automountServiceAccountToken: false", emitted, secure},
		{"memory", "limit and request equal; GOMEMLIMIT 90 % of it", deployment, "name: GOMEMLIMIT", emitted, secure},
		{"disruption", "one replica at a time, spread over nodes", "orders/deploy/disruption.yaml", "maxUnavailable: 1", emitted, secure},
		{"network", "nothing in or out but what is listed", "orders/deploy/network.yaml", "policyTypes: [Ingress, Egress]", emitted, secure},
		{"actions", "pinned to commits, no permissions, no credentials kept", "orders/.github/workflows/ci.yml", "permissions: {}", emitted, secure},
		{"leaks", "goroutines are counted after the tests of methods and of the whole service", "orders/cmd/orders/main_test.go", "goleak", "cmd/sample/main_test.go", "TestMain"},
	}},
}

const secureIntro = `# Secure defaults

What an emitted service does before anybody has configured it, where its code says so, and which test fails when it no longer
does. Every emitted service has ` + "`TestSecureDefaults`" + ` of its own, which reads the effective options of its gRPC server, its
settings, image and manifests. This page is derived: ` + "`make generate`" + ` writes it.
`

const secureOutro = `
## Not there

- **Authentication of callers other than by certificate, and a policy for each method.** Behind TLS with client certificates everyone whom
  the CA signed for may call everything. Tokens and policies are interceptors of your own (` + "`Runtime.ServerOptions`" + `) until svcgen emits them.
- **Rate limits for each caller.** The limit on calls in flight is for all together.
- **Retries and breakers towards other services.** The emitted stubs are plain gRPC clients.
- **A dead letter queue for consumers.** An event whose handler keeps failing is tried again, after pauses of up to 10 s, for as long as it takes; later
  ones of its key wait. Nothing is dropped, and the broker's backlog shows it.
- **Pod security labels.** They belong to the namespace; the pod satisfies the restricted level.
- **A limited /tmp.** The service writes no temporary files, and its root file system is read only.
- **SBOM, signatures, provenance.** CI builds the image and pushes it nowhere.
`

// docs/secure-defaults.md names a line that is there and a test that is there, for each default.
func TestSecureDefaults(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(secureIntro)
	for _, group := range safeguards {
		fmt.Fprintf(&b, "\n## %s\n\n| setting | default | emitted code | test |\n|---|---|---|---|\n", group.title)
		for _, s := range group.rows {
			n := lineOf(t, filepath.Join("..", "golden", s.file), s.line)
			test := "–"
			if s.test != "" {
				at := filepath.Join("..", "templates", "service", s.testFile)
				test = fmt.Sprintf("[%s](../templates/service/%s#L%d)", s.test, s.testFile, lineOf(t, at, "func "+s.test+"("))
			}
			fmt.Fprintf(&b, "| %s | %s | [%s:%d](../golden/%s#L%d) | %s |\n", s.setting, s.value, filepath.Base(s.file), n, s.file, n, test)
		}
	}
	b.WriteString(secureOutro)
	if *update {
		if err := os.WriteFile("secure-defaults.md", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("secure-defaults.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b.Bytes()) {
		t.Error("docs/secure-defaults.md is stale: run make generate")
	}
}

// lineOf is the number of the first line that contains text.
func lineOf(t *testing.T, file, text string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		if strings.Contains(line, text) {
			return n
		}
	}
	t.Errorf("%s does not say %q", file, text)
	return 0
}
