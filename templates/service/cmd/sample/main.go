// Command sample serves the sample service. Run it with --help for what else it can do.
package main

import (
	"context"
	"os"

	"github.com/svcgen/svcgen/templates/service/internal/gen/app"
	"github.com/svcgen/svcgen/templates/service/internal/sample"
)

func main() { os.Exit(app.Main(os.Args[1:], deps)) }

// deps makes what the constructors in internal/sample are given. Open clients of your own here, add them to
// sample.Deps, and hand what must be closed to rt.OnStop.
func deps(_ context.Context, rt *app.Runtime) (sample.Deps, error) {
	return sample.Deps{DB: rt.DB, Events: rt.Events}, nil
}
