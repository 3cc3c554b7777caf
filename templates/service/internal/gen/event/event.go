// Package event maps outbox messages to broker headers and back: CloudEvents 1.0 in binary mode with W3C trace
// context.
//
// In goes an outbox.Message, out comes a list of headers whose names carry the prefix of the broker's CloudEvents
// binding (Kafka or AMQP); Parse is the way back. The body of the broker message is the payload as it is, and the
// broker's own key is set by package broker. The package talks to no broker.
package event

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Prefixes of the attribute headers, by protocol binding.
const (
	Kafka = "ce_"
	AMQP  = "cloudEvents_"
)

// ContentType says what the payload of every event is.
const ContentType = "application/protobuf"

// Header is one broker header.
type Header struct{ Name, Value string }

// ErrNotEvent is returned by Parse for a message without the required CloudEvents attributes.
var ErrNotEvent = errors.New("not a CloudEvent")

// Subscription says which messages a consumer wants.
type Subscription struct {
	Topic string
	Group string // every group gets every message; members of one group share them
	Type  string // proto full name; other types on the topic are passed over. Empty: all
	// Temporary is for a lone subscriber that wants what comes while it is there: a broker outside the process
	// forgets the group when it goes.
	Temporary bool
}

// Delivery is one message on its way to a consumer.
type Delivery struct {
	outbox.Message
	Source  string // the service that emitted it
	Attempt int    // 1 at first, and growing when the handler failed
}

// Seen is a message as a watcher of a broker in this process sees it.
type Seen struct {
	Seq uint64 // counts all messages of the process, from 1
	Delivery
}

// attributes are those of an event, in the order in which they go out.
var attributes = [...]string{"specversion", "id", "source", "type", "time", "subject", "partitionkey", "traceparent"}

// names are the headers of attributes by prefix, made once and not for each event.
var names = map[string][len(attributes)]string{Kafka: under(Kafka), AMQP: under(AMQP)}

func under(prefix string) (names [len(attributes)]string) {
	for i, a := range attributes {
		names[i] = prefix + a
	}
	return names
}

// Headers returns the headers of m, in a fixed order; prefix is Kafka or AMQP. Trace context goes out twice: as the
// CloudEvents extension, and without prefix where tracing agents look for it.
func Headers(m *outbox.Message, source, prefix string) []Header {
	at := ""
	if !m.CreatedAt.IsZero() {
		at = m.CreatedAt.UTC().Format(time.RFC3339Nano)
	}
	values := [len(attributes)]string{"1.0", m.ID.String(), source, m.Type, at, m.Key, m.Key, m.Traceparent}
	h := make([]Header, 0, len(values)+2+len(m.Headers))
	for i, name := range names[prefix] {
		if values[i] != "" {
			h = append(h, Header{name, values[i]})
		}
	}
	h = append(h, Header{"content-type", ContentType})
	if m.Traceparent != "" {
		h = append(h, Header{"traceparent", m.Traceparent})
	}
	if len(m.Headers) > 0 {
		for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
			h = append(h, Header{name, m.Headers[name]})
		}
	}
	return h
}

// Parse reads what Headers wrote. key is the broker's own message key, used when no partitionkey is there.
// Attributes it does not know are kept as headers, without prefix.
func Parse(headers []Header, prefix, topic, key string, payload []byte) (Delivery, error) {
	d := Delivery{Message: outbox.Message{Topic: topic, Key: key, Payload: payload}, Attempt: 1}
	var version, id string
	for _, h := range headers {
		name, isAttr := strings.CutPrefix(h.Name, prefix)
		if !isAttr {
			switch h.Name {
			case "content-type":
			case "traceparent":
				if d.Traceparent == "" {
					d.Traceparent = h.Value
				}
			default:
				d.keep(h.Name, h.Value)
			}
			continue
		}
		switch name {
		case "specversion":
			version = h.Value
		case "id":
			id = h.Value
		case "source":
			d.Source = h.Value
		case "type":
			d.Type = h.Value
		case "time":
			t, err := time.Parse(time.RFC3339Nano, h.Value)
			if err != nil {
				return Delivery{}, fmt.Errorf("%w: time %q", ErrNotEvent, h.Value)
			}
			d.CreatedAt = t
		case "partitionkey":
			d.Key = h.Value
		case "subject":
		case "traceparent":
			d.Traceparent = h.Value
		default:
			d.keep(name, h.Value)
		}
	}
	if !strings.HasPrefix(version, "1.") || d.Type == "" || d.Source == "" {
		return Delivery{}, fmt.Errorf("%w: specversion %q, type %q, source %q", ErrNotEvent, version, d.Type, d.Source)
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return Delivery{}, fmt.Errorf("%w: id %q is not a UUID", ErrNotEvent, id)
	}
	d.ID = parsed
	return d, nil
}

func (d *Delivery) keep(name, value string) {
	if d.Headers == nil {
		d.Headers = make(map[string]string)
	}
	d.Headers[name] = value
}
