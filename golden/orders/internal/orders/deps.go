// Package orders implements the orders service: its gRPC methods and the handlers of the events it consumes.
package orders

import (
	"github.com/acme/orders/internal/gen/events"
	"github.com/acme/orders/internal/gen/store"
)

// Deps is what the services and consumers of this package are made from. It is filled in cmd/orders/main.go.
type Deps struct {
	DB     *store.DB
	Events *events.Events
}
