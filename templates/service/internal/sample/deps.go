// Package sample implements the sample service: its gRPC methods and the handlers of the events it consumes.
package sample

import (
	"github.com/svcgen/svcgen/templates/service/internal/gen/events"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// Deps is what the services and consumers of this package are made from. It is filled in cmd/sample/main.go.
type Deps struct {
	DB     *store.DB
	Events *events.Events
}
