package orders

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/testkit"
)

func TestOrderService_CancelOrder(t *testing.T) {
	tests := []struct {
		name   string
		req    *ordersv1.CancelOrderRequest
		want   codes.Code
		events []string
	}{
		{
			name:   "an empty request",
			req:    &ordersv1.CancelOrderRequest{},
			want:   codes.OK,
			events: []string{"acme.orders.v1.OrderCancelled"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			deps := testDeps(t)
			_, err := NewOrderService(deps).CancelOrder(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
			if got := testkit.Emitted(t, deps.DB); !slices.Equal(got, tt.events) {
				t.Errorf("emitted %v, want %v", got, tt.events)
			}
		})
	}
}
