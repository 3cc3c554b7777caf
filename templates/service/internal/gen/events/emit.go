// Package events has one function for each event the service publishes.
//
// In: a transaction and a message. Out: a row of the outbox in that transaction, with the topic, key and type that
// the manifest fixes for the event. Nothing is sent here: the relay does that after the commit.
package events

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// Events publishes the service's events.
type Events struct{}

// New makes Events.
func New() *Events { return &Events{} }

// emit adds ev to the outbox of tx.
func (*Events) emit(tx *store.Tx, topic, key string, ev proto.Message) error {
	name := ev.ProtoReflect().Descriptor().FullName()
	payload, err := proto.Marshal(ev)
	if err != nil {
		return fmt.Errorf("marshal %s: %w", name, err)
	}
	return tx.Emit(outbox.Message{Topic: topic, Key: key, Type: string(name), Payload: payload})
}
