package payments

import (
	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
	"github.com/acme/payments/internal/gen/events"
	"github.com/acme/payments/internal/gen/store"
)

// PaymentService implements acme.payments.v1.PaymentService.
type PaymentService struct {
	paymentsv1.UnimplementedPaymentServiceServer
	db     *store.DB
	events *events.Events
}

// NewPaymentService makes the service.
func NewPaymentService(d Deps) *PaymentService {
	return &PaymentService{db: d.DB, events: d.Events}
}
