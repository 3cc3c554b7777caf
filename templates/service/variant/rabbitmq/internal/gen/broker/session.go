package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

var errUnknown = errors.New("outcome unknown")

// session is one connection with one channel in confirm mode. At the first error of any kind it is thrown away
// whole, and what it has in flight is of unknown outcome.
type session struct {
	cfg     Config
	source  string
	link    *link
	ch      *amqp.Channel
	returns chan amqp.Return
	ctx     context.Context // done when the session is dead; the cause says why
	cancel  context.CancelCauseFunc

	mu        sync.Mutex
	blocked   string          // why the broker takes no messages now; empty when it does
	exchanges map[string]bool // known to exist

	send    sync.Mutex // held while a message is sent, so that flight is in the order of delivery tags
	flight  chan pending
	settled chan struct{} // closed when flight is empty for good
}

// pending is a message sent and not yet confirmed.
type pending struct {
	id      string
	confirm *amqp.DeferredConfirmation
	sent    time.Time
	done    func(error)
}

// openSession connects and starts the goroutines of a session; they have ended when settled and ctx are done.
func openSession(ctx context.Context, d dialer, source string) (*session, error) {
	l, err := d.dial(ctx, "publish")
	if err != nil {
		return nil, err
	}
	ready := l.bound(ctx, d.cfg.Timeout)
	defer ready()
	ch, err := l.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		l.drop()
		return nil, fmt.Errorf("open channel: %w", err)
	}
	s := &session{
		cfg: d.cfg, source: source, link: l, ch: ch, exchanges: make(map[string]bool),
		// The library drops a return after five seconds when nobody takes it. At most a window of messages is
		// unsettled, and each settling empties this channel first: it is never full.
		returns: ch.NotifyReturn(make(chan amqp.Return, d.cfg.Window+1)),
		flight:  make(chan pending, d.cfg.Window+1), settled: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	go s.watch(l.NotifyClose(make(chan *amqp.Error, 1)), ch.NotifyClose(make(chan *amqp.Error, 1)),
		l.NotifyBlocked(make(chan amqp.Blocking, 1)))
	go s.settle()
	return s, nil
}

// watch ends the session when the connection or the channel does, and keeps the gate. It is the one place where
// the session is taken down.
func (s *session) watch(connection, channel <-chan *amqp.Error, blocked <-chan amqp.Blocking) {
	defer s.takeDown()
	for {
		select {
		case <-s.ctx.Done():
			return
		case e := <-connection:
			s.cancel(closeCause("connection", e))
			return
		case e := <-channel:
			s.cancel(closeCause("channel", e))
			return
		case b, ok := <-blocked:
			if !ok {
				blocked = nil // the connection is closing, and will say why
				continue
			}
			s.block(b)
		}
	}
}

// closeCause is why the library says that something was closed; nil means in order.
func closeCause(what string, e *amqp.Error) error {
	if e == nil {
		return fmt.Errorf("%s closed", what)
	}
	return fmt.Errorf("%s closed: %w", what, e)
}

func (s *session) takeDown() {
	if s.link.IsClosed() || len(s.flight) > 0 || s.refusal() != nil {
		s.link.drop() // a broker that is blocked or silent does not answer a goodbye either
	} else {
		s.link.hangUp()
	}
	// A sender stuck in a write has been woken by now. Later ones see that the session is dead.
	s.send.Lock()
	defer s.send.Unlock()
	close(s.flight)
}

func (s *session) block(b amqp.Blocking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocked = ""
	if b.Active {
		s.blocked = "no reason given"
		if b.Reason != "" {
			s.blocked = b.Reason
		}
	}
}

// refusal says why nothing can be sent now, or nil.
func (s *session) refusal() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocked != "" {
		return fmt.Errorf("RabbitMQ takes no messages: %s", s.blocked)
	}
	return nil
}

// publish sends m. An error means that done has not been and will not be called.
func (s *session) publish(m *outbox.Message, done func(error)) error {
	// Once the broker is blocked it does not read the socket any more; a message put there would be in limbo.
	if err := s.refusal(); err != nil {
		return err
	}
	if err := unsendable(m); err != nil {
		return &outbox.Rejection{Err: err}
	}
	if err := s.ensureExchange(m.Topic); err != nil {
		return err
	}
	s.send.Lock()
	defer s.send.Unlock()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	p := pending{id: m.ID.String(), sent: time.Now(), done: done}
	var err error
	p.confirm, err = s.ch.PublishWithDeferredConfirm(m.Topic, m.Type, s.cfg.Mandatory, false, publishing(m, s.source))
	if err != nil {
		s.cancel(err)
		return fmt.Errorf("publish: %w", err)
	}
	s.flight <- p // never blocks: the broker's slots are no more than its capacity
	return nil
}

// ensureExchange makes sure, once per session, that the exchange is there: publishing to a missing one closes the
// channel and fails everything in flight.
func (s *session) ensureExchange(name string) error {
	s.mu.Lock()
	known := s.exchanges[name]
	s.mu.Unlock()
	if known {
		return nil
	}
	defer s.link.bound(s.ctx, s.cfg.Timeout)()
	if err := declareExchange(s.link, name, s.cfg.Declare); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exchanges[name] = true
	return nil
}

// settle reports the outcome of each message, in the order of sending.
func (s *session) settle() {
	defer close(s.settled)
	returned := make(map[string]amqp.Return)
	for p := range s.flight {
		s.await(p)
		// The broker sends the return of an unroutable message before its confirm, and the library's reader has put
		// it into the channel before it resolved the confirm.
		s.collect(returned)
		p.done(s.outcome(p, returned))
	}
}

// await waits until p is confirmed or the session is dead. A confirm that does not come ends the session, except
// while the broker is blocked: then it has not read the message yet, and will.
func (s *session) await(p pending) {
	select {
	case <-p.confirm.Done():
		return
	default:
	}
	for wait := s.cfg.Timeout - time.Since(p.sent); ; wait = s.cfg.Timeout {
		timer := time.NewTimer(wait)
		select {
		case <-p.confirm.Done():
			timer.Stop()
			return
		case <-s.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			if s.refusal() == nil {
				s.cancel(fmt.Errorf("no confirm within %v", s.cfg.Timeout))
			}
		}
	}
}

func (s *session) collect(returned map[string]amqp.Return) {
	for {
		select {
		case r, ok := <-s.returns:
			if !ok {
				return
			}
			returned[r.MessageId] = r
		default:
			return
		}
	}
}

func (s *session) outcome(p pending, returned map[string]amqp.Return) error {
	if r, ok := returned[p.id]; ok {
		delete(returned, p.id)
		return &outbox.Rejection{Err: fmt.Errorf("no queue takes %s from exchange %s: %s", r.RoutingKey, r.Exchange, r.ReplyText)}
	}
	if p.confirm.Acked() {
		return nil
	}
	// The library resolves what is in flight as a nack when the connection ends, so that comes first.
	if s.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errUnknown, context.Cause(s.ctx))
	}
	if s.ch.IsClosed() {
		return fmt.Errorf("%w: channel closed", errUnknown)
	}
	return errors.New("RabbitMQ did not take the message (nack)")
}
