package orders

import (
	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/events"
	"github.com/acme/orders/internal/gen/store"
)

// OrderService implements acme.orders.v1.OrderService.
type OrderService struct {
	ordersv1.UnimplementedOrderServiceServer
	db     *store.DB
	events *events.Events
}

// NewOrderService makes the service.
func NewOrderService(d Deps) *OrderService {
	return &OrderService{db: d.DB, events: d.Events}
}
