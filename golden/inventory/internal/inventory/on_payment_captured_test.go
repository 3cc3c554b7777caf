package inventory

import (
	"context"
	"testing"

	paymentsv1 "github.com/acme/inventory/gen/acme/payments/v1"
	"github.com/acme/inventory/internal/gen/store"
)

func TestConsumers_OnPaymentCaptured(t *testing.T) {
	tests := []struct {
		name string
		ev   *paymentsv1.PaymentCaptured
	}{
		{
			name: "an empty event",
			ev:   &paymentsv1.PaymentCaptured{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			deps := testDeps(t)
			err := deps.DB.InTx(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return NewConsumers(deps).OnPaymentCaptured(ctx, tx, tt.ev)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
