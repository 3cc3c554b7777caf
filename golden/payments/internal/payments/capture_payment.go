package payments

import (
	"context"

	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
	"github.com/acme/payments/internal/gen/store"
)

// CapturePayment implements acme.payments.v1.PaymentService.CapturePayment.
func (s *PaymentService) CapturePayment(ctx context.Context, req *paymentsv1.CapturePaymentRequest) (*paymentsv1.CapturePaymentResponse, error) {
	resp := &paymentsv1.CapturePaymentResponse{}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Write your rows here with tx. The events below leave if, and only if, the transaction commits.
		return s.events.PaymentCaptured(tx, &paymentsv1.PaymentCaptured{
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
