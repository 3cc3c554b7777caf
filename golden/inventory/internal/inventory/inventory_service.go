package inventory

import (
	inventoryv1 "github.com/acme/inventory/gen/acme/inventory/v1"
	"github.com/acme/inventory/internal/gen/events"
	"github.com/acme/inventory/internal/gen/store"
)

// InventoryService implements acme.inventory.v1.InventoryService.
type InventoryService struct {
	inventoryv1.UnimplementedInventoryServiceServer
	db     *store.DB
	events *events.Events
}

// NewInventoryService makes the service.
func NewInventoryService(d Deps) *InventoryService {
	return &InventoryService{db: d.DB, events: d.Events}
}
