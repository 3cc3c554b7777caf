// Package payments implements the payments service: its gRPC methods and the handlers of the events it consumes.
package payments

import (
	"github.com/acme/payments/internal/gen/events"
	"github.com/acme/payments/internal/gen/store"
)

// Deps is what the services and consumers of this package are made from. It is filled in cmd/payments/main.go.
type Deps struct {
	DB     *store.DB
	Events *events.Events
}
