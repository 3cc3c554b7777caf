//go:build !(linux && amd64)

package crash

import "testing"

func TestKilled(t *testing.T) { t.Skip("SKIPPED: the tracer is for linux/amd64") }
