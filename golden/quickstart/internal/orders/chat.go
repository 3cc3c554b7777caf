package orders

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
)

// Chat implements acme.orders.v1.OrderService.Chat.
func (s *OrderService) Chat(stream grpc.BidiStreamingServer[ordersv1.ChatRequest, ordersv1.ChatResponse]) error {
	return status.Error(codes.Unimplemented, "OrderService.Chat is not implemented")
}
