package payments

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
)

// GetPayment implements acme.payments.v1.PaymentService.GetPayment.
func (s *PaymentService) GetPayment(ctx context.Context, req *paymentsv1.GetPaymentRequest) (*paymentsv1.GetPaymentResponse, error) {
	return nil, status.Error(codes.Unimplemented, "PaymentService.GetPayment is not implemented")
}
