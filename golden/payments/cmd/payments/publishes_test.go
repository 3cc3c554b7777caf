package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
	"github.com/acme/payments/internal/gen/app/apptest"
)

// TestPublishes calls each method that publishes, and waits for its event at the broker.
func TestPublishes(t *testing.T) {
	svc := apptest.Start(t, deps)
	t.Run("PaymentService.CapturePayment publishes PaymentCaptured", func(t *testing.T) {
		svc.Publishes(t, "payments", "acme.payments.v1.PaymentCaptured", func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := paymentsv1.NewPaymentServiceClient(conn).CapturePayment(ctx, &paymentsv1.CapturePaymentRequest{})
			return err
		})
	})
	t.Run("PaymentService.RefundPayment publishes PaymentRefunded", func(t *testing.T) {
		svc.Publishes(t, "payments", "acme.payments.v1.PaymentRefunded", func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := paymentsv1.NewPaymentServiceClient(conn).RefundPayment(ctx, &paymentsv1.RefundPaymentRequest{})
			return err
		})
	})
}
