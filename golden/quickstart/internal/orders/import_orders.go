package orders

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
)

// ImportOrders implements acme.orders.v1.OrderService.ImportOrders.
func (s *OrderService) ImportOrders(stream grpc.ClientStreamingServer[ordersv1.ImportOrdersRequest, ordersv1.ImportOrdersResponse]) error {
	return status.Error(codes.Unimplemented, "OrderService.ImportOrders is not implemented")
}
