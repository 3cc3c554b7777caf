package cli

import (
	"os"
	"runtime/debug"
)

// The garbage collector is made for programs that go on. This one ends within a second, and at first leaves its garbage
// where it is; when there is much, because there are thousands of methods, it collects as usual.
const (
	growth     = 500       // per cent by which the memory grows before it is looked through
	muchMemory = 400 << 20 // bytes, beyond which it grows only as far as it must
)

// collect sets the garbage collector, unless the environment does.
func collect() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(growth)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(muchMemory)
	}
}
