package payments

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
	"github.com/acme/payments/internal/gen/testkit"
)

func TestPaymentService_CapturePayment(t *testing.T) {
	tests := []struct {
		name   string
		req    *paymentsv1.CapturePaymentRequest
		want   codes.Code
		events []string
	}{
		{
			name:   "an empty request",
			req:    &paymentsv1.CapturePaymentRequest{},
			want:   codes.OK,
			events: []string{"acme.payments.v1.PaymentCaptured"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			deps := testDeps(t)
			_, err := NewPaymentService(deps).CapturePayment(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
			if got := testkit.Emitted(t, deps.DB); !slices.Equal(got, tt.events) {
				t.Errorf("emitted %v, want %v", got, tt.events)
			}
		})
	}
}
