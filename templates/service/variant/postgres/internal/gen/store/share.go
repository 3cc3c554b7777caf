package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// shareBatches is how many shared transactions run at once: while one waits for the disk the next is sent.
const shareBatches = 2

// errShared tells a caller that a shared transaction was rolled back, for a reason that may lie with another one in it.
var errShared = errors.New("shared transaction rolled back")

// sharer commits calls that have only queued their statements together: one transaction, one round trip and one wait
// for the disk for all that gathered while others were under way. A lone call waits for nobody. It is as if the calls
// had run one after the other: when the transaction fails, each runs again, alone, and only the one at fault fails.
type sharer struct {
	db    *DB
	limit int // calls in one transaction

	mu      sync.Mutex
	waiting []*share
	running int
}

// work is what remains to be done for a call whose function has returned.
type work struct {
	statements []statement
	msgs       []outbox.Message
}

// share is one call that waits for its transaction.
type share struct {
	work
	ctx  context.Context
	done chan error
}

// sharable reports whether w may run in one transaction with others: no statement of it may say anything about the
// transaction or the session, since that would hold for those behind it.
func (w work) sharable() bool {
	for _, s := range w.statements {
		text := strings.TrimSpace(s.sql)
		end := strings.IndexFunc(text, unicode.IsSpace)
		switch strings.ToLower(text[:max(end, 0)]) {
		case "insert", "update", "delete":
		default:
			return false
		}
	}
	return len(w.statements)+len(w.msgs) > 0
}

func (s *sharer) do(ctx context.Context, w work) error {
	s.mu.Lock()
	if s.running < shareBatches { // then nobody waits
		s.running++
		s.mu.Unlock()
		defer s.handOver()
		return s.db.alone(ctx, w)
	}
	me := &share{work: w, ctx: ctx, done: make(chan error, 1)}
	s.waiting = append(s.waiting, me)
	s.mu.Unlock()
	var err error
	select {
	case err = <-me.done:
	case <-ctx.Done():
		if s.leave(me) {
			return ctx.Err()
		}
		err = <-me.done // it is under way, and what becomes of it is the answer
	}
	if errors.Is(err, errShared) {
		return s.db.alone(ctx, w)
	}
	return err
}

// handOver goes on with those who came meanwhile.
func (s *sharer) handOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) > 0 {
		go s.run()
		return
	}
	s.running--
}

// leave takes me out of those that wait; false when it is under way.
func (s *sharer) leave(me *share) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, w := range s.waiting {
		if w == me {
			s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// run commits what waits until nothing does.
func (s *sharer) run() {
	for {
		s.mu.Lock()
		n := min(len(s.waiting), s.limit)
		if n == 0 {
			s.running--
			s.mu.Unlock()
			return
		}
		batch := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		s.mu.Unlock()
		err := s.commit(batch)
		for _, c := range batch {
			c.done <- err
		}
	}
}

// commit runs a batch in one transaction. The error is the same for all: that is so when nobody knows what became of
// the transaction, or when there is no connection; in all other cases it is errShared.
func (s *sharer) commit(batch []*share) (err error) {
	defer func() {
		if recover() != nil { // in an argument's own encoding; it comes again where its caller can see it
			err = errShared
		}
	}()
	if len(batch) == 1 {
		return s.db.alone(batch[0].ctx, batch[0].work)
	}
	var all work
	for _, c := range batch {
		all.statements = append(all.statements, c.statements...)
		all.msgs = append(all.msgs, c.msgs...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*endTimeout)
	defer cancel()
	err = s.db.alone(ctx, all)
	if err == nil || errors.Is(err, ErrCommitUnknown) || Unavailable(err) {
		return err
	}
	return errShared
}

// alone does w in a transaction of its own.
func (db *DB) alone(ctx context.Context, w work) error {
	conn, err := db.conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // a connection that is not back to idle is closed by it
	t := &lazyTx{ctx: ctx, conn: conn.Conn(), queued: w.statements}
	if err := t.finish(ctx, w.msgs); err != nil {
		t.abandon(ctx)
		return err
	}
	return nil
}
