package inventory

import (
	"context"

	inventoryv1 "github.com/acme/inventory/gen/acme/inventory/v1"
	"github.com/acme/inventory/internal/gen/store"
)

// ReserveStock implements acme.inventory.v1.InventoryService.ReserveStock.
func (s *InventoryService) ReserveStock(ctx context.Context, req *inventoryv1.ReserveStockRequest) (*inventoryv1.ReserveStockResponse, error) {
	resp := &inventoryv1.ReserveStockResponse{}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Write your rows here with tx. The events below leave if, and only if, the transaction commits.
		return s.events.StockReserved(tx, &inventoryv1.StockReserved{
			Sku:      req.GetSku(),
			OrderId:  req.GetOrderId(),
			Quantity: req.GetQuantity(),
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
