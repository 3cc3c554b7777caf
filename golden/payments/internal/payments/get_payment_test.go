package payments

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	paymentsv1 "github.com/acme/payments/gen/acme/payments/v1"
)

func TestPaymentService_GetPayment(t *testing.T) {
	tests := []struct {
		name string
		req  *paymentsv1.GetPaymentRequest
		want codes.Code
	}{
		{
			name: "an empty request",
			req:  &paymentsv1.GetPaymentRequest{},
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewPaymentService(testDeps(t)).GetPayment(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
