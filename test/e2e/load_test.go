package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/rig"
)

const (
	writers       = 8
	keysPerWriter = 8

	// callDeadline is of one call: none may reach it, on a machine that has other things to do.
	callDeadline = 30 * time.Second

	// pace is how often a writer calls, at most: the proof is in faults, not in how much this machine can take.
	pace = 20 * time.Millisecond
)

// load is callers that make a service publish: each counts the calls for each of its keys, one at a time.
type load struct {
	call   func(ctx context.Context, r *replica, key string, seq int) error
	cancel context.CancelFunc
	done   sync.WaitGroup
	told   bytes.Buffer // the history, see verify
	rec    *history.Recorder

	mu       sync.Mutex
	replicas []*replica
	acked    map[string]int
	begun    map[string]int
	ok       int
	failures []failure
}

// failure is a call that did not succeed.
type failure struct {
	at   time.Time
	took time.Duration
	err  error
}

// startLoad calls the replicas until the load is stopped.
func startLoad(t *testing.T, call func(ctx context.Context, r *replica, key string, seq int) error, replicas ...*replica) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{call: call, cancel: cancel, replicas: replicas, acked: map[string]int{}, begun: map[string]int{}}
	l.rec = history.NewRecorder(&l.told, t.Name(), 0, history.Expect{})
	prefix := rig.Unique("k")
	for w := range writers {
		l.done.Go(func() { l.write(ctx, fmt.Sprintf("%s-%d", prefix, w), w) })
	}
	t.Cleanup(l.stop)
	return l
}

// stop lets the calls under way end.
func (l *load) stop() {
	l.cancel()
	l.done.Wait()
}

// use makes further calls go to other replicas.
func (l *load) use(replicas ...*replica) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replicas = replicas
}

func (l *load) write(ctx context.Context, prefix string, turn int) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		key, seq := fmt.Sprintf("%s-%d", prefix, n%keysPerWriter), 1+n/keysPerWriter
		if l.once(ctx, key, seq, turn) {
			n++
		} else {
			turn++ // the same again, from another replica
		}
	}
}

// once makes one call and says whether it succeeded. A call that has begun is not cut off by the end of the load.
func (l *load) once(ctx context.Context, key string, seq, turn int) bool {
	l.mu.Lock()
	r := l.replicas[turn%len(l.replicas)]
	l.begun[key] = seq
	l.mu.Unlock()
	calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), callDeadline)
	defer cancel()
	start := time.Now()
	op := operation(key, seq)
	l.rec.Add(history.Record{Kind: history.Invoke, Op: op, Key: key, Version: int64(seq)})
	err := l.call(calling, r, key, seq)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.rec.Add(history.Record{Kind: history.Unknown, Op: op, Text: err.Error()})
		l.failures = append(l.failures, failure{start, time.Since(start), err})
		return false
	}
	l.rec.Add(history.Record{Kind: history.OK, Op: op, Version: int64(seq)})
	l.acked[key] = seq
	l.ok++
	return true
}

// successes counts the calls that succeeded so far.
func (l *load) successes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ok
}

// failed returns the calls that failed so far.
func (l *load) failed() []failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]failure(nil), l.failures...)
}

// grows waits until n more calls have succeeded.
func (l *load) grows(t *testing.T, n int) {
	t.Helper()
	want := l.successes() + n
	eventually(t, patience, fmt.Sprintf("%d calls more succeed", n), func(context.Context) error {
		if got := l.successes(); got < want {
			return fmt.Errorf("%d of %d; last failures %v", got, want, lastOf(l.failed(), 3))
		}
		return nil
	})
}

// operation names the n-th event of a key. A call that failed is made again, so it may be called for more than once.
func operation(key string, n int) string { return fmt.Sprintf("%s/%d", key, n) }

// verify waits until all that was acknowledged is at the tap, and has the history judged.
func (l *load) verify(t *testing.T, tap *sink) {
	t.Helper()
	l.mu.Lock()
	acked, begun := maps.Clone(l.acked), maps.Clone(l.begun)
	l.mu.Unlock()
	var events []history.Record
	eventually(t, patience, "all events arrive", func(context.Context) error {
		events = tap.of(begun)
		last := map[string]int64{}
		for _, e := range events {
			last[e.Key] = max(last[e.Key], e.Version)
		}
		for key, seq := range acked {
			if last[key] < int64(seq) {
				return fmt.Errorf("%d events, %s only to %d of %d", len(events), key, last[key], seq)
			}
		}
		return nil
	})
	for _, e := range events {
		l.rec.Add(e)
	}
	if err := l.rec.Close(); err != nil {
		t.Fatal(err)
	}
	verdict, err := history.Check(&l.told)
	if err != nil {
		t.Fatal(err)
	}
	if err := verdict.Err(); err != nil {
		t.Error(err)
	}
	t.Log(verdict)
}

func lastOf[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// placeOrder and capturePayment are calls for a load. The event carries the key and, in a field of no account, the
// number.
func placeOrder(ctx context.Context, r *replica, key string, seq int) error {
	return r.call(ctx, "acme.orders.v1.OrderService", "PlaceOrder", fmt.Sprintf(`{"orderId":%q,"customerId":"%d"}`, key, seq))
}

func capturePayment(ctx context.Context, r *replica, key string, seq int) error {
	return r.call(ctx, "acme.payments.v1.PaymentService", "CapturePayment", fmt.Sprintf(`{"orderId":%q,"paymentId":"%d"}`, key, seq))
}
