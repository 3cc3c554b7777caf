package orders

import (
	"context"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/store"
)

// CancelOrder implements acme.orders.v1.OrderService.CancelOrder.
func (s *OrderService) CancelOrder(ctx context.Context, req *ordersv1.CancelOrderRequest) (*ordersv1.CancelOrderResponse, error) {
	resp := &ordersv1.CancelOrderResponse{}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Write your rows here with tx. The events below leave if, and only if, the transaction commits.
		return s.events.OrderCancelled(tx, &ordersv1.OrderCancelled{
			OrderId: req.GetOrderId(),
			Reason:  req.GetReason(),
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
