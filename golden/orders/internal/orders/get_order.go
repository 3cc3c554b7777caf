package orders

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
)

// GetOrder implements acme.orders.v1.OrderService.GetOrder.
func (s *OrderService) GetOrder(ctx context.Context, req *ordersv1.GetOrderRequest) (*ordersv1.GetOrderResponse, error) {
	return nil, status.Error(codes.Unimplemented, "OrderService.GetOrder is not implemented")
}
