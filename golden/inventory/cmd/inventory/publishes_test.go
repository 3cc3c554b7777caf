package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	inventoryv1 "github.com/acme/inventory/gen/acme/inventory/v1"
	"github.com/acme/inventory/internal/gen/app/apptest"
)

// TestPublishes calls each method that publishes, and waits for its event at the broker.
func TestPublishes(t *testing.T) {
	svc := apptest.Start(t, deps)
	t.Run("InventoryService.ReserveStock publishes StockReserved", func(t *testing.T) {
		svc.Publishes(t, "inventory", "acme.inventory.v1.StockReserved", func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := inventoryv1.NewInventoryServiceClient(conn).ReserveStock(ctx, &inventoryv1.ReserveStockRequest{})
			return err
		})
	})
}
