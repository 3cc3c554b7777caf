// Package inventory implements the inventory service: its gRPC methods and the handlers of the events it consumes.
package inventory

import (
	"github.com/acme/inventory/internal/gen/events"
	"github.com/acme/inventory/internal/gen/store"
)

// Deps is what the services and consumers of this package are made from. It is filled in cmd/inventory/main.go.
type Deps struct {
	DB     *store.DB
	Events *events.Events
}
