// Package testbroker says where tests find a broker. It belongs to the broker the service was made for: here it
// is the RabbitMQ server that TEST_RABBITMQ_URL names.
package testbroker

import (
	"os"
	"testing"

	"github.com/svcgen/svcgen/templates/service/variant/rabbitmq/internal/gen/broker"
)

// Config returns base, changed so that it names a broker for tests. Where there is none to be found it skips the
// test and says how to name one.
func Config(tb testing.TB, base broker.Config) broker.Config {
	tb.Helper()
	base.URL = os.Getenv("TEST_RABBITMQ_URL")
	if base.URL == "" {
		tb.Skip("needs RabbitMQ: set TEST_RABBITMQ_URL to amqp://USER:PASSWORD@HOST/VHOST for tests; exchanges and queues are created in it")
	}
	base.Declare = true
	return base
}
