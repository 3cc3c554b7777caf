package e2e

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/svcgen/svcgen/test/rig"
)

const (
	writers       = 8
	keysPerWriter = 8

	// pace is how often a writer calls, at most: the proof is in faults, not in how much this machine can take.
	pace = 20 * time.Millisecond
)

// load is callers that make a service publish: each counts the calls for each of its keys, one at a time.
type load struct {
	call   func(ctx context.Context, r *replica, key string, seq int) error
	cancel context.CancelFunc
	done   sync.WaitGroup

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
	calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	start := time.Now()
	err := l.call(calling, r, key, seq)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, failure{start, time.Since(start), err})
		return false
	}
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

// verify waits until all that was acknowledged is at the tap, and judges the order it came in.
func (l *load) verify(t *testing.T, tap *tap) {
	t.Helper()
	l.mu.Lock()
	acked, begun := maps.Clone(l.acked), maps.Clone(l.begun)
	l.mu.Unlock()
	var events []seen
	eventually(t, patience, "all events arrive", func(context.Context) error {
		events = tap.of(begun)
		last := map[string]int{}
		for _, e := range events {
			last[e.key] = max(last[e.key], e.seq)
		}
		for key, seq := range acked {
			if last[key] < seq {
				return fmt.Errorf("%d events, %s only to %d of %d", len(events), key, last[key], seq)
			}
		}
		return nil
	})
	if err := verify(acked, begun, events); err != nil {
		t.Error(err)
	}
	t.Logf("%d calls succeeded, %d failed; %d events on %d keys arrived", l.ok, len(l.failures), len(events), len(acked))
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
