package broker

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// record is m as a Kafka record: a CloudEvent in binary mode. Without a key it goes to any partition. Its timestamp
// is left to the client, which measures the delivery timeout from it: with the time of the event, a backlog older than
// the timeout could never be sent. That time is in the attribute "time".
func record(m *outbox.Message, source string) *kgo.Record {
	headers := event.Headers(m, source, event.Kafka)
	size := len(m.Key)
	for _, h := range headers {
		size += len(h.Value)
	}
	all := make([]byte, 0, size) // one piece of memory for what the client wants as bytes
	toBytes := func(s string) []byte {
		from := len(all)
		all = append(all, s...)
		return all[from:len(all):len(all)]
	}
	r := &kgo.Record{Topic: m.Topic, Value: m.Payload, Headers: make([]kgo.RecordHeader, len(headers))}
	if m.Key != "" {
		r.Key = toBytes(m.Key)
	}
	for i, h := range headers {
		r.Headers[i] = kgo.RecordHeader{Key: h.Name, Value: toBytes(h.Value)}
	}
	return r
}

// parse reads a record.
func parse(r *kgo.Record) (Delivery, error) {
	headers := make([]event.Header, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = event.Header{Name: h.Key, Value: string(h.Value)}
	}
	d, err := event.Parse(headers, event.Kafka, r.Topic, string(r.Key), r.Value)
	if err != nil {
		return Delivery{}, fmt.Errorf("%s/%d at offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	return d, nil
}

// outcome says what a failed produce means to the relay. A rejection is only what would be refused for ever; a
// topic that is missing or forbidden is for the operator to mend, and the message waits.
func outcome(err error) error {
	if err == nil {
		return nil
	}
	for _, refusal := range []error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTopicException,
	} {
		if errors.Is(err, refusal) {
			return &outbox.Rejection{Err: err}
		}
	}
	return fmt.Errorf("publish: %w", err)
}
