package inventory

import (
	"context"

	paymentsv1 "github.com/acme/inventory/gen/acme/payments/v1"
	"github.com/acme/inventory/internal/gen/store"
)

// OnPaymentCaptured handles acme.payments.v1.PaymentCaptured.
func (c *Consumers) OnPaymentCaptured(ctx context.Context, tx *store.Tx, ev *paymentsv1.PaymentCaptured) error {
	// Write your rows here with tx. An error rolls them back, and the event comes again. It may come again after
	// success, too: let a second time change nothing.
	return nil
}
