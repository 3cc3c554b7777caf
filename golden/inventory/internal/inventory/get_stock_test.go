package inventory

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/acme/inventory/gen/acme/inventory/v1"
)

func TestInventoryService_GetStock(t *testing.T) {
	tests := []struct {
		name string
		req  *inventoryv1.GetStockRequest
		want codes.Code
	}{
		{
			name: "an empty request",
			req:  &inventoryv1.GetStockRequest{},
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewInventoryService(testDeps(t)).GetStock(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
