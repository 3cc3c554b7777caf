package orders

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/testkit"
)

func TestOrderService_WatchOrders(t *testing.T) {
	tests := []struct {
		name string
		req  *ordersv1.WatchOrdersRequest
		want codes.Code
	}{
		{
			name: "an empty request",
			req:  &ordersv1.WatchOrdersRequest{},
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := testkit.NewStream[ordersv1.WatchOrdersRequest, ordersv1.WatchOrdersResponse](t.Context())
			err := NewOrderService(testDeps(t)).WatchOrders(tt.req, stream)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
