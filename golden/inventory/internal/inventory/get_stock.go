package inventory

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/acme/inventory/gen/acme/inventory/v1"
)

// GetStock implements acme.inventory.v1.InventoryService.GetStock.
func (s *InventoryService) GetStock(ctx context.Context, req *inventoryv1.GetStockRequest) (*inventoryv1.GetStockResponse, error) {
	return nil, status.Error(codes.Unimplemented, "InventoryService.GetStock is not implemented")
}
