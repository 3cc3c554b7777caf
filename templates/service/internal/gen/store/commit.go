package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Limits of a shared commit besides its time: whatever is reached first ends the collecting.
const (
	shareCallers = 128
	shareBytes   = 1 << 20
)

// interruptGrace is how long a statement may go on after its caller's ctx was cancelled.
const interruptGrace = time.Second

// committer lets concurrent writers share transactions. One caller at a time has the turn. The first opens a
// transaction, runs its function and, when others wait, passes the turn on with the transaction open; each runs
// its function in its own goroutine inside a savepoint; the last one commits for all. A commit costs an fsync
// during which new callers queue up, so the busier the database the more share one fsync, and a lone caller
// waits for nobody.
type committer struct {
	db        *sql.DB
	gate      *gate
	share     time.Duration
	committed func() // called after a commit that carried messages

	mu     sync.Mutex
	busy   bool // someone has the turn
	closed bool
	idle   chan struct{} // closed by the last turn after close
	queue  []*caller
}

// caller is one InTx call that waits for its turn or for its result.
type caller struct {
	turn chan *batch // the turn: with an open batch to join, or nil to open a new one
	done chan error  // the result of the commit the caller took part in
	solo bool        // shares with nobody: a shared transaction has failed it before
}

// batch is an open shared transaction.
type batch struct {
	tx      *sql.Tx
	began   time.Time
	members []*caller // whose functions succeeded
	msgs    []outbox.Message
	bytes   int
	solo    bool
}

// errShared tells a caller that the transaction failed for a reason that may lie with another one in it.
var errShared = errors.New("shared transaction lost")

type inTx struct{ *committer } // context key: set while a function has the turn

func (c *committer) do(ctx context.Context, fn func(context.Context, *Tx) error) error {
	if ctx.Value(inTx{c}) != nil {
		return errors.New("InTx called inside InTx: use the tx that was passed")
	}
	err := c.once(ctx, fn, c.share <= 0)
	if errors.Is(err, errShared) {
		err = c.once(ctx, fn, true)
	}
	return err
}

func (c *committer) once(ctx context.Context, fn func(context.Context, *Tx) error, solo bool) error {
	me := &caller{turn: make(chan *batch, 1), done: make(chan error, 1), solo: solo}
	b, err := c.acquire(ctx, me)
	if err != nil {
		return err
	}
	if b == nil {
		if b, err = c.begin(ctx, solo); err != nil {
			c.pass(nil)
			return err
		}
	}
	if err := c.run(ctx, b, me, fn); err != nil {
		return err
	}
	select {
	case err := <-me.done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-me.done: // both were ready: the truth is better
		return err
	default:
		return fmt.Errorf("%w: %w", ErrCommitUnknown, ctx.Err())
	}
}

func (c *committer) begin(ctx context.Context, solo bool) (*batch, error) {
	// Not the caller's ctx: database/sql would roll back for everyone when it ends.
	tx, err := c.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	return &batch{tx: tx, began: time.Now(), solo: solo}, nil
}

// run executes fn in b and passes the turn on, whatever fn does. It returns nil when me is a member of b and
// will get its result on me.done.
func (c *committer) run(ctx context.Context, b *batch, me *caller, fn func(context.Context, *Tx) error) (err error) {
	// The first one needs no savepoint: if it fails, the whole transaction is rolled back.
	nested := len(b.members) > 0
	if nested {
		if err := c.exec(b, "SAVEPOINT caller"); err != nil {
			c.pass(c.lose(b))
			return errShared
		}
	}
	tx := &Tx{Tx: b.tx, ctx: ctx}
	returned := false
	defer func() {
		tx.ended = true
		c.gate.leave()
		if err == nil && returned && nested {
			err = c.exec(b, "RELEASE caller")
		}
		switch {
		case c.gate.isLost():
			b = c.lose(b)
		case err != nil || !returned: // an error, a panic or runtime.Goexit
			b = c.undo(b, nested)
		default:
			b.members = append(b.members, me)
			b.msgs = append(b.msgs, tx.msgs...)
			b.bytes += tx.bytes
		}
		c.pass(b)
	}()
	turn, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(interruptGrace, cancel)
		context.AfterFunc(turn, func() { timer.Stop() })
	})
	defer stop()
	c.gate.enter(turn)
	err = fn(context.WithValue(ctx, inTx{c}, true), tx)
	returned = true
	if err == nil && c.gate.isLost() {
		err = errLost // fn overlooked that its statements failed
	}
	return err
}

// undo takes back what the current caller did. It returns the batch if it is still of use.
func (c *committer) undo(b *batch, nested bool) *batch {
	if nested && c.exec(b, "ROLLBACK TO caller") == nil && c.exec(b, "RELEASE caller") == nil {
		return b
	}
	return c.lose(b)
}

// lose ends a transaction that cannot go on and has its members run again, each alone.
func (c *committer) lose(b *batch) *batch {
	_ = b.tx.Rollback() // the connection is closed by database/sql when this fails, which rolls back as well
	c.settle(b, errShared)
	return nil
}

// pass hands the turn on. With an open batch the next caller joins it, unless a limit is reached: then the
// batch is committed first.
func (c *committer) pass(b *batch) {
	if b != nil {
		if next := c.joiner(b); next != nil {
			next.turn <- b
			return
		}
		c.end(b)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		next.turn <- nil
		return
	}
	c.busy = false
	if c.closed {
		close(c.idle)
	}
}

// joiner takes the next waiting caller if it may join b.
func (c *committer) joiner(b *batch) *caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	full := b.solo || len(b.members) >= shareCallers || b.bytes >= shareBytes || time.Since(b.began) >= c.share
	if full || len(c.queue) == 0 || c.queue[0].solo {
		return nil
	}
	next := c.queue[0]
	c.queue = c.queue[1:]
	return next
}

// end writes the outbox rows of b, commits, and tells every member.
func (c *committer) end(b *batch) {
	if len(b.members) == 0 {
		_ = b.tx.Rollback()
		return
	}
	if err := insert(context.Background(), b.tx, b.msgs); err != nil {
		_ = b.tx.Rollback()
		c.settle(b, b.blame(err))
		return
	}
	if err := b.tx.Commit(); err != nil {
		if undone(err) {
			c.settle(b, b.blame(fmt.Errorf("commit: %w", err)))
		} else {
			c.settle(b, fmt.Errorf("%w: %w", ErrCommitUnknown, err))
		}
		return
	}
	if len(b.msgs) > 0 {
		c.committed()
	}
	c.settle(b, nil)
}

// blame says what a failed commit that left nothing behind means to the members: who shared it tries again
// alone, so that only the one who caused it (a deferred constraint, say) sees the error.
func (b *batch) blame(err error) error {
	if len(b.members) > 1 {
		return errShared
	}
	return err
}

func (c *committer) settle(b *batch, err error) {
	for _, m := range b.members {
		m.done <- err
	}
}

// exec runs one of the committer's own statements, which nothing interrupts.
func (c *committer) exec(b *batch, q string) error {
	_, err := b.tx.ExecContext(context.Background(), q)
	return err
}

// acquire waits for the turn.
func (c *committer) acquire(ctx context.Context, me *caller) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	if !c.busy {
		c.busy = true
		c.mu.Unlock()
		return nil, nil
	}
	c.queue = append(c.queue, me)
	c.mu.Unlock()
	select {
	case b := <-me.turn:
		return b, nil
	case <-ctx.Done():
		if !c.leave(me) { // the turn came at the same time and must go on
			c.pass(<-me.turn)
		}
		return nil, ctx.Err()
	}
}

// leave removes me from the queue; false when it has been given the turn already.
func (c *committer) leave(me *caller) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.queue {
		if w == me {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			return true
		}
	}
	return false
}

// close refuses new callers and waits for those who are in.
func (c *committer) close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	c.idle = make(chan struct{})
	if !c.busy {
		close(c.idle)
	}
	c.mu.Unlock()
	<-c.idle
}
