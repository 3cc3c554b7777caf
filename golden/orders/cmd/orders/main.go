// Command orders serves the orders service. Run it with --help for what else it can do.
package main

import (
	"context"
	"os"

	"github.com/acme/orders/internal/gen/app"
	"github.com/acme/orders/internal/orders"
)

func main() { os.Exit(app.Main(os.Args[1:], deps)) }

// deps makes what the constructors in internal/orders are given. Open clients of your own here, add them to
// orders.Deps, and hand what must be closed to rt.OnStop.
func deps(_ context.Context, rt *app.Runtime) (orders.Deps, error) {
	return orders.Deps{DB: rt.DB, Events: rt.Events}, nil
}
