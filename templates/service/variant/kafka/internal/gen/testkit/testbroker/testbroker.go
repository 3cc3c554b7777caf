// Package testbroker says where tests find a broker. It belongs to the broker the service was made for: here it
// is the Kafka cluster that TEST_KAFKA_BROKERS names.
package testbroker

import (
	"os"
	"strings"
	"testing"

	"github.com/svcgen/svcgen/templates/service/variant/kafka/internal/gen/broker"
)

// Config returns base, changed so that it names a broker for tests. Where there is none to be found it skips the
// test and says how to name one.
func Config(tb testing.TB, base broker.Config) broker.Config {
	tb.Helper()
	brokers := os.Getenv("TEST_KAFKA_BROKERS")
	if brokers == "" {
		tb.Skip("needs Kafka: set TEST_KAFKA_BROKERS to HOST:PORT of a cluster for tests; topics are created in it")
	}
	base.Brokers = strings.Split(brokers, ",")
	base.CreateTopics = true
	return base
}
