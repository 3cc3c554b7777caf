// Package testbroker says where tests find a broker. It belongs to the broker the service was made for: here it
// lives in the process of the test.
package testbroker

import (
	"testing"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker"
)

// Config returns base, changed so that it names a broker for tests. Where there is none to be found it skips the
// test and says how to name one.
func Config(tb testing.TB, base broker.Config) broker.Config {
	tb.Helper()
	return base
}
