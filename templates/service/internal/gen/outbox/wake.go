package outbox

import "context"

// Waker carries wake-ups between the processes of a service, for queues that can. A wake-up may be late, lost
// or for nothing: the relay's poll finds every row, a Waker finds it sooner.
type Waker interface {
	// Listen calls wake whenever another process wrote rows, or may have done so unheard; leases is set when it
	// is time to ask for shards again, since another relay gave some up or wants some. Listen also sends what
	// Notify was asked for. It reconnects on its own and returns when ctx is done.
	Listen(ctx context.Context, wake func(leases bool))
	// Notify asks for the other processes to be woken. It does not block; calls close together become one
	// wake-up. It has no effect while Listen does not run.
	Notify()
}
