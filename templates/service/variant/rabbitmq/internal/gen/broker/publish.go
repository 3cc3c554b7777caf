package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Publish implements outbox.Publisher. It waits while the window is full or a first connection attempt is under
// way; when the broker is known to be out of reach, or to take no messages, it fails at once.
func (b *Broker) Publish(ctx context.Context, m *outbox.Message, done func(error)) {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		done(ctx.Err())
		return
	case <-b.ctx.Done():
		done(errClosed)
		return
	}
	settled := func(err error) {
		<-b.slots
		done(err)
	}
	s, err := b.current(ctx)
	if err == nil {
		err = s.publish(m, settled)
	}
	if err != nil {
		settled(err)
	}
}

// current returns the session to publish on.
func (b *Broker) current(ctx context.Context) (*session, error) {
	for {
		b.mu.Lock()
		s, err, changed := b.session, b.err, b.changed
		b.mu.Unlock()
		if s != nil || err != nil {
			return s, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.ctx.Done():
			return nil, errClosed
		}
	}
}

func (b *Broker) become(s *session, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.session, b.err = s, err
	close(b.changed)
	b.changed = make(chan struct{})
}

// supervise keeps a session open until Close.
func (b *Broker) supervise() {
	var pause backoff
	for b.ctx.Err() == nil {
		s, err := openSession(b.ctx, b.dialer, b.source)
		if err != nil {
			if b.ctx.Err() == nil {
				b.log.Warn("no connection to RabbitMQ", "purpose", "publish", "error", err)
			}
			b.become(nil, err)
			pause.wait(b.ctx)
			continue
		}
		pause.reset()
		b.log.Info("connected to RabbitMQ", "purpose", "publish")
		b.become(s, nil)
		<-s.settled
		if b.ctx.Err() == nil {
			b.log.Warn("connection to RabbitMQ lost", "purpose", "publish", "error", context.Cause(s.ctx))
		}
		b.become(nil, nil)
		// A session that dies as soon as it is used must not make a busy loop.
		pause.wait(b.ctx)
	}
	b.become(nil, fmt.Errorf("publish: %w", errClosed))
}

// Pauses between connection attempts; the jitter keeps replicas from coming back in step.
const (
	pauseMin = 50 * time.Millisecond
	pauseMax = 5 * time.Second
)

// backoff is the pause before the next attempt. Zero is ready to use.
type backoff struct{ next time.Duration }

func (p *backoff) reset() { p.next = 0 }

// wait pauses between half and all of a time that doubles; it ends early when ctx is done.
func (p *backoff) wait(ctx context.Context) {
	p.next = min(max(2*p.next, pauseMin), pauseMax)
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
