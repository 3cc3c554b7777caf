package broker

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// publishing is m as an AMQP message: a CloudEvent in binary mode, with the basic properties filled in for tools
// that know no CloudEvents.
func publishing(m *outbox.Message, source string) amqp.Publishing {
	headers := make(amqp.Table, 10+len(m.Headers))
	for _, h := range event.Headers(m, source, event.AMQP) {
		headers[h.Name] = h.Value
	}
	delete(headers, "content-type") // it has a property
	return amqp.Publishing{
		Headers: headers, ContentType: event.ContentType, DeliveryMode: amqp.Persistent,
		MessageId: m.ID.String(), Type: m.Type, AppId: source, Timestamp: m.CreatedAt, Body: m.Payload,
	}
}

const (
	maxName = 255      // of AMQP's short strings
	maxBody = 16 << 20 // what RabbitMQ takes by default since 4.0
)

// unsendable says what of m AMQP or RabbitMQ would not take. Sending it all the same would close the channel, and
// with it fail every message in flight, again and again.
func unsendable(m *outbox.Message) error {
	switch {
	case m.Topic == "" || m.Type == "":
		return errors.New("topic and type are required")
	case len(m.Topic) > maxName:
		return fmt.Errorf("topic of %d bytes, at most %d", len(m.Topic), maxName)
	case len(m.Type) > maxName:
		return fmt.Errorf("type of %d bytes, at most %d", len(m.Type), maxName)
	case len(m.Payload) > maxBody:
		return fmt.Errorf("payload of %d bytes, at most %d", len(m.Payload), maxBody)
	}
	for name := range m.Headers {
		if len(name) > maxName {
			return fmt.Errorf("header name of %d bytes, at most %d", len(name), maxName)
		}
	}
	return nil
}

// parse reads a delivery of sub's queue.
func parse(d *amqp.Delivery) (Delivery, error) {
	headers := make([]event.Header, 0, len(d.Headers))
	redelivered := 0
	for name, value := range d.Headers {
		switch v := value.(type) {
		case string:
			// The binding allows a colon as well as an underscore after the prefix.
			if rest, ok := strings.CutPrefix(name, "cloudEvents:"); ok {
				name = event.AMQP + rest
			}
			headers = append(headers, event.Header{Name: name, Value: v})
		case int64:
			if name == "x-delivery-count" {
				redelivered = int(v)
			}
		}
	}
	parsed, err := event.Parse(headers, event.AMQP, d.Exchange, "", d.Body)
	if err != nil {
		return Delivery{}, fmt.Errorf("message %q: %w", d.MessageId, err)
	}
	parsed.Attempt += redelivered
	return parsed, nil
}
