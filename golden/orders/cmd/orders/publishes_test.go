package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/app/apptest"
)

// TestPublishes calls each method that publishes, and waits for its event at the broker.
func TestPublishes(t *testing.T) {
	svc := apptest.Start(t, deps)
	t.Run("OrderService.PlaceOrder publishes OrderPlaced", func(t *testing.T) {
		svc.Publishes(t, "orders", "acme.orders.v1.OrderPlaced", func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := ordersv1.NewOrderServiceClient(conn).PlaceOrder(ctx, &ordersv1.PlaceOrderRequest{})
			return err
		})
	})
	t.Run("OrderService.CancelOrder publishes OrderCancelled", func(t *testing.T) {
		svc.Publishes(t, "orders", "acme.orders.v1.OrderCancelled", func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := ordersv1.NewOrderServiceClient(conn).CancelOrder(ctx, &ordersv1.CancelOrderRequest{})
			return err
		})
	})
}
