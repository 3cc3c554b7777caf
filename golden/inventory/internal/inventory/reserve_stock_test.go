package inventory

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/acme/inventory/gen/acme/inventory/v1"
	"github.com/acme/inventory/internal/gen/testkit"
)

func TestInventoryService_ReserveStock(t *testing.T) {
	tests := []struct {
		name   string
		req    *inventoryv1.ReserveStockRequest
		want   codes.Code
		events []string
	}{
		{
			name:   "an empty request",
			req:    &inventoryv1.ReserveStockRequest{},
			want:   codes.OK,
			events: []string{"acme.inventory.v1.StockReserved"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			deps := testDeps(t)
			_, err := NewInventoryService(deps).ReserveStock(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
			if got := testkit.Emitted(t, deps.DB); !slices.Equal(got, tt.events) {
				t.Errorf("emitted %v, want %v", got, tt.events)
			}
		})
	}
}
