// Command payments serves the payments service. Run it with --help for what else it can do.
package main

import (
	"context"
	"os"

	"github.com/acme/payments/internal/gen/app"
	"github.com/acme/payments/internal/payments"
)

func main() { os.Exit(app.Main(os.Args[1:], deps)) }

// deps makes what the constructors in internal/payments are given. Open clients of your own here, add them to
// payments.Deps, and hand what must be closed to rt.OnStop.
func deps(_ context.Context, rt *app.Runtime) (payments.Deps, error) {
	return payments.Deps{DB: rt.DB, Events: rt.Events}, nil
}
