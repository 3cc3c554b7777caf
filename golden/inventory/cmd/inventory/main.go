// Command inventory serves the inventory service. Run it with --help for what else it can do.
package main

import (
	"context"
	"os"

	"github.com/acme/inventory/internal/gen/app"
	"github.com/acme/inventory/internal/inventory"
)

func main() { os.Exit(app.Main(os.Args[1:], deps)) }

// deps makes what the constructors in internal/inventory are given. Open clients of your own here, add them to
// inventory.Deps, and hand what must be closed to rt.OnStop.
func deps(_ context.Context, rt *app.Runtime) (inventory.Deps, error) {
	return inventory.Deps{DB: rt.DB, Events: rt.Events}, nil
}
