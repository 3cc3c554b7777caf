package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/acme/orders/internal/gen/app/apptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestServes runs the service as main wires it, and asks for the health of each gRPC service over the network.
func TestServes(t *testing.T) {
	svc := apptest.Start(t, deps)
	for _, name := range []string{
		"acme.orders.v1.OrderService",
	} {
		t.Run(name, func(t *testing.T) { svc.Serves(t, name) })
	}
}
