package outbox

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// Message is one event. Its fields map to CloudEvents 1.0 attributes as noted.
type Message struct {
	ID          uuid.UUID         // id; a UUIDv7, the same on every redelivery
	Topic       string            // Kafka topic, RabbitMQ exchange
	Key         string            // partitionkey and subject; order is kept per (Topic, Key)
	Type        string            // type; the proto full name
	Payload     []byte            // data; a marshalled protobuf message
	Headers     map[string]string // further headers; nil when there are none
	Traceparent string            // W3C trace context of the transaction that emitted it
	CreatedAt   time.Time         // time; by the database's clock
}

// Record is a Message as a row of the outbox table.
type Record struct {
	Message
	Row      int64 // position in the table; publishing order within a key
	Shard    int16
	Attempts int // deliberate refusals by the broker so far; an outage is not an attempt
}

// Rejection marks an error by which the broker refused this message for what it is (too large, no such
// destination, malformed), so that sending it again unchanged is futile. Every other publish error is taken
// as an outage: the row stays, no attempt is counted.
type Rejection struct{ Err error }

// Error implements error.
func (r *Rejection) Error() string { return "rejected by broker: " + r.Err.Error() }

// Unwrap returns the broker's own error.
func (r *Rejection) Unwrap() error { return r.Err }

// IsRejection reports whether err is a refusal of the message itself.
func IsRejection(err error) bool {
	var r *Rejection
	return errors.As(err, &r)
}
