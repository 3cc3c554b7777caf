package payments

import (
	"context"

	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
	"github.com/acme/payments/internal/gen/store"
)

// RefundPayment implements acme.payments.v1.PaymentService.RefundPayment.
func (s *PaymentService) RefundPayment(ctx context.Context, req *paymentsv1.RefundPaymentRequest) (*paymentsv1.RefundPaymentResponse, error) {
	resp := &paymentsv1.RefundPaymentResponse{}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Write your rows here with tx. The events below leave if, and only if, the transaction commits.
		return s.events.PaymentRefunded(tx, &paymentsv1.PaymentRefunded{
			PaymentId: req.GetPaymentId(),
			OrderId:   req.GetOrderId(),
			Amount:    req.GetAmount(),
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
