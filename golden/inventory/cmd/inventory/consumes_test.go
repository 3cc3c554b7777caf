package main

import (
	"testing"

	paymentsv1 "github.com/acme/inventory/gen/acme/payments/v1"
	"github.com/acme/inventory/internal/gen/app/apptest"
)

// TestConsumes sends each consumed event through the broker, and waits until its handler has taken it.
func TestConsumes(t *testing.T) {
	svc := apptest.Start(t, deps)
	t.Run("PaymentCaptured", func(t *testing.T) { svc.Consumes(t, "payments", &paymentsv1.PaymentCaptured{}) })
}
