package inventory

import (
	"github.com/acme/inventory/internal/gen/events"
	"github.com/acme/inventory/internal/gen/store"
)

// Consumers handles the events this service consumes.
type Consumers struct {
	db     *store.DB
	events *events.Events
}

// NewConsumers makes the handlers.
func NewConsumers(d Deps) *Consumers {
	return &Consumers{db: d.DB, events: d.Events}
}
