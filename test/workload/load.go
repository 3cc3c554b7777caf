package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/subject"
)

// Options is how much load, and what of.
type Options struct {
	Prefix  string // of keys and operations; nobody else may use it
	Writers int
	Keys    int
	Rate    int // calls a second, all writers together; 0: as many as there can be
	Seed    uint64
	// Wait is how long a caller waits for its answer.
	Wait time.Duration
}

// Shares of calls, in a thousand, that do not simply commit.
const (
	failing    = 50 // return an error after the event was emitted
	panicking  = 5
	late       = 10 // wait inside the transaction until the deadline is over
	cancelling = 20 // the caller cancels at a random moment
	hurrying   = 20 // the caller's deadline is short
)

// Load is writers that call.
type Load struct {
	opts   Options
	rec    *history.Recorder
	method protoreflect.MethodDescriptor
	path   string
	cancel context.CancelFunc
	done   sync.WaitGroup
	next   atomic.Uint64
	ok     atomic.Int64
	lost   atomic.Int64
	gate   sync.RWMutex // held for reading during a call

	mu        sync.Mutex
	processes []*subject.Process
}

// Start lets writers call the processes of tree, which is of tally, until Stop. What they are told goes to rec.
func Start(ctx context.Context, tree *subject.Tree, rec *history.Recorder, opts Options, processes ...*subject.Process) (*Load, error) {
	const service, name = "tally.v1.TallyService", "Record"
	method, err := tree.Method(service, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{opts: opts, rec: rec, method: method, path: "/" + service + "/" + name, cancel: cancel, processes: processes}
	for w := range opts.Writers {
		rng := rand.New(rand.NewPCG(opts.Seed, uint64(w)))
		l.done.Go(func() { l.write(ctx, rng, w) })
	}
	return l, nil
}

// Stop lets the calls under way end and makes no more.
func (l *Load) Stop() {
	l.cancel()
	l.done.Wait()
}

// Pause returns when no call is under way; none begins until Resume.
func (l *Load) Pause() { l.gate.Lock() }

// Resume ends a Pause.
func (l *Load) Resume() { l.gate.Unlock() }

// Use makes further calls go to other processes.
func (l *Load) Use(processes ...*subject.Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes = processes
}

// OK counts the calls that succeeded so far.
func (l *Load) OK() int { return int(l.ok.Load()) }

// Unknown counts the calls so far that were to succeed and have no known outcome.
func (l *Load) Unknown() int { return int(l.lost.Load()) }

func (l *Load) write(ctx context.Context, rng *rand.Rand, turn int) {
	var tick <-chan time.Time
	if l.opts.Rate > 0 {
		t := time.NewTicker(time.Second * time.Duration(l.opts.Writers) / time.Duration(l.opts.Rate))
		defer t.Stop()
		tick = t.C
	}
	for ctx.Err() == nil {
		if tick != nil {
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
		}
		l.gate.RLock()
		if l.once(ctx, rng, turn) {
			turn++ // spread over the processes; one that is gone is left soon
		}
		l.gate.RUnlock()
	}
}

// once makes one call. It reports whether the next should go to another process. A call that has begun is not cut off
// by the end of the load.
func (l *Load) once(ctx context.Context, rng *rand.Rand, turn int) bool {
	l.mu.Lock()
	if len(l.processes) == 0 {
		l.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond): // until there is a process again
		}
		return false
	}
	p, among := l.processes[turn%len(l.processes)], len(l.processes)
	l.mu.Unlock()

	op := fmt.Sprintf("%s/%d", l.opts.Prefix, l.next.Add(1))
	key := fmt.Sprintf("%s-%d", l.opts.Prefix, rng.IntN(l.opts.Keys))
	call := history.Record{Kind: history.Invoke, Op: op, Key: key}
	fate, wait, giveUp := protoreflect.EnumNumber(0), l.opts.Wait, time.Duration(0)
	switch n := rng.IntN(1000); {
	case n < failing:
		fate, call.Doomed = 1, true
	case n < failing+panicking:
		fate, call.Doomed = 2, true
	case n < failing+panicking+late:
		fate, call.Doomed, wait = 3, true, 10*time.Millisecond
	case n < failing+panicking+late+cancelling:
		call.Cut, giveUp = true, time.Duration(rng.Int64N(int64(5*time.Millisecond)))
	case n < failing+panicking+late+cancelling+hurrying:
		call.Cut, wait = true, time.Millisecond+time.Duration(rng.Int64N(int64(5*time.Millisecond)))
	}
	req, resp := dynamicpb.NewMessage(l.method.Input()), dynamicpb.NewMessage(l.method.Output())
	fields := l.method.Input().Fields()
	req.Set(fields.ByName("op"), protoreflect.ValueOfString(op))
	req.Set(fields.ByName("key"), protoreflect.ValueOfString(key))
	req.Set(fields.ByName("fate"), protoreflect.ValueOfEnum(fate))

	calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	if giveUp > 0 {
		timer := time.AfterFunc(giveUp, cancel)
		defer timer.Stop()
	}
	l.rec.Add(call)
	err := p.Conn.Invoke(calling, l.path, req, resp)
	answer := history.Record{Op: op}
	if answer.Kind = outcome(err); answer.Kind == history.OK {
		l.ok.Add(1)
		answer.Version = resp.Get(l.method.Output().Fields().ByName("version")).Int()
	} else {
		answer.Text = err.Error()
		if answer.Kind == history.Unknown && !call.Doomed && !call.Cut {
			l.lost.Add(1)
		}
	}
	l.rec.Add(answer)
	return among > 1 || answer.Kind == history.Unknown
}

// outcome sorts what a caller was told. Only the service itself can say that nothing was done; it names the request
// then, or says what the handler made it say. All else may be the wire's doing.
func outcome(err error) history.Kind {
	if err == nil {
		return history.OK
	}
	s := status.Convert(err)
	byService := strings.Contains(s.Message(), "(request ")
	switch s.Code() {
	case codes.Aborted, codes.ResourceExhausted:
		return history.Fail
	case codes.Unavailable, codes.Internal:
		if byService {
			return history.Fail
		}
	}
	return history.Unknown
}
