package broker

import (
	"context"

	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
)

// Seen is a message as Watch shows it.
type Seen = event.Seen

// Watch calls f for every kept message with a sequence number of at least from, and then for every new one, until
// ctx is done (the result is nil), the broker is closed, or f returns an error, which is passed on. A watcher that
// falls more than Recent messages behind misses some; the gap shows in Seq. With follow false it stops after the
// kept ones.
func (b *Broker) Watch(ctx context.Context, from uint64, follow bool, f func(Seen) error) error {
	for {
		b.mu.Lock()
		changed := b.changed
		var batch []Seen
		for _, s := range recent(b.ring) {
			if s.Seq >= from {
				batch = append(batch, s)
			}
		}
		b.mu.Unlock()
		for _, s := range batch {
			if ctx.Err() != nil {
				return nil
			}
			if err := f(s); err != nil {
				return err
			}
			from = s.Seq + 1
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.closed:
			return errClosed
		case <-changed:
		}
	}
}
