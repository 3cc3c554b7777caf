package broker

import (
	"log/slog"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker/brokertest"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/test/rig"
)

func TestConformance(t *testing.T) {
	url := rig.RabbitMQ(t)
	brokertest.Run(t, brokertest.Suite{
		Open: func(t testing.TB, source string) brokertest.Broker {
			b, err := Open(t.Context(), config(url), source, slog.New(slog.DiscardHandler))
			must(t, err)
			return b
		},
		Topic: func(t testing.TB) string {
			// A queue that takes everything, for what the suite publishes with no subscriber.
			topic := rig.Unique("suite")
			listen(t, url, topic, amqp.Table{"x-queue-type": "classic"})
			return topic
		},
		Refused:  func(testing.TB) *outbox.Message { return message(rig.Unique("deaf"), "k") },
		Patience: patience,
	})
}
