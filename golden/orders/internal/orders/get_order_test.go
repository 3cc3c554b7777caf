package orders

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
)

func TestOrderService_GetOrder(t *testing.T) {
	tests := []struct {
		name string
		req  *ordersv1.GetOrderRequest
		want codes.Code
	}{
		{
			name: "an empty request",
			req:  &ordersv1.GetOrderRequest{},
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewOrderService(testDeps(t)).GetOrder(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
