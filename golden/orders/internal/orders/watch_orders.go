package orders

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
)

// WatchOrders implements acme.orders.v1.OrderService.WatchOrders.
func (s *OrderService) WatchOrders(req *ordersv1.WatchOrdersRequest, stream grpc.ServerStreamingServer[ordersv1.WatchOrdersResponse]) error {
	return status.Error(codes.Unimplemented, "OrderService.WatchOrders is not implemented")
}
