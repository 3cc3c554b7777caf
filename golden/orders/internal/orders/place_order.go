package orders

import (
	"context"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/store"
)

// PlaceOrder implements acme.orders.v1.OrderService.PlaceOrder.
func (s *OrderService) PlaceOrder(ctx context.Context, req *ordersv1.PlaceOrderRequest) (*ordersv1.PlaceOrderResponse, error) {
	resp := &ordersv1.PlaceOrderResponse{}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Write your rows here with tx. The events below leave if, and only if, the transaction commits.
		return s.events.OrderPlaced(tx, &ordersv1.OrderPlaced{
			OrderId:    req.GetOrderId(),
			CustomerId: req.GetCustomerId(),
			Items:      req.GetItems(),
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
