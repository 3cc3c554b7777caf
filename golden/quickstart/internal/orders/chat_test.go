package orders

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/acme/orders/gen/acme/orders/v1"
	"github.com/acme/orders/internal/gen/testkit"
)

func TestOrderService_Chat(t *testing.T) {
	tests := []struct {
		name string
		reqs []*ordersv1.ChatRequest
		want codes.Code
	}{
		{
			name: "no request",
			reqs: nil,
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := testkit.NewStream[ordersv1.ChatRequest, ordersv1.ChatResponse](t.Context(), tt.reqs...)
			err := NewOrderService(testDeps(t)).Chat(stream)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
