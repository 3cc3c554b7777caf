package orders

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/acme/orders/internal/gen/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testDeps are the dependencies for one test, with an empty database.
func testDeps(t *testing.T) Deps {
	t.Helper()
	kit := testkit.New(t)
	return Deps{DB: kit.DB, Events: kit.Events}
}
