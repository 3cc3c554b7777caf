package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/svcgen/svcgen/templates/service/internal/gen/broker/brokertest"
	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var config = Config{Backlog: 10_000, RetryMin: time.Millisecond, RetryMax: 10 * time.Millisecond}

func openBroker(t testing.TB, cfg Config) *Broker {
	t.Helper()
	b, err := Open(t.Context(), cfg, "/svc/suite", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	var topics atomic.Int32
	brokertest.Run(t, brokertest.Suite{
		Open:  func(t testing.TB, _ string) brokertest.Broker { return openBroker(t, config) },
		Topic: func(testing.TB) string { return fmt.Sprint("topic-", topics.Add(1)) },
	})
}

func publish(b *Broker, topic, key string, n int) (err error) {
	m := &outbox.Message{Topic: topic, Key: key, Type: "t", Payload: fmt.Append(nil, n)}
	b.Publish(context.Background(), m, func(e error) { err = e })
	return err
}

func TestWatch(t *testing.T) {
	b := openBroker(t, config)
	for i := range 2*Recent + 500 {
		if err := publish(b, "t", "k", i); err != nil {
			t.Fatal(err)
		}
	}
	var got []uint64
	keep := func(s Seen) error { got = append(got, s.Seq); return nil }
	if err := b.Watch(t.Context(), 0, false, keep); err != nil {
		t.Fatal(err)
	}
	if len(got) != Recent || got[0] != Recent+501 || got[Recent-1] != 2*Recent+500 {
		t.Errorf("%d messages from %d, want the last %d", len(got), got[0], Recent)
	}
	got = nil
	if err := b.Watch(t.Context(), 2*Recent+499, false, keep); err != nil || len(got) != 2 {
		t.Errorf("from the last but one: %v, %v", got, err)
	}

	synctest.Test(t, func(t *testing.T) {
		b := openBroker(t, config)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int32
		done := make(chan error)
		go func() { done <- b.Watch(ctx, 0, true, func(Seen) error { n.Add(1); return nil }) }()
		for i := range 5 {
			if err := publish(b, "t", "k", i); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if got := n.Load(); got != int32(i+1) {
				t.Errorf("after %d messages the watcher saw %d", i+1, got)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch ended with %v", err)
		}
		stop := errors.New("stop")
		if err := b.Watch(t.Context(), 0, true, func(Seen) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("got %v, want the watcher's own error", err)
		}
	})
}

// A group that does not keep up stops its own topic only, and the topic goes on when it does.
func TestBacklog(t *testing.T) {
	cfg := config
	cfg.Backlog = 3
	b := openBroker(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Subscribe(ctx, Subscription{Topic: "slow", Group: "g"}, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		err := publish(b, "slow", "k", i)
		if full := i >= 3; errors.Is(err, errBacklog) != full {
			t.Errorf("message %d: %v", i, err)
		}
		if outbox.IsRejection(err) {
			t.Error("a full group is an outage, not a refusal: the event must not die of it")
		}
		if err := publish(b, "other", "k", i); err != nil {
			t.Errorf("another topic: %v", err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		b := openBroker(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		var n int
		go func() {
			done <- b.Subscribe(ctx, Subscription{Topic: "slow", Group: "g"}, func(context.Context, *Delivery) error { n++; return nil })
		}()
		for i := range 10 {
			synctest.Wait()
			if err := publish(b, "slow", "k", i); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		cancel()
		if err := <-done; err != nil || n != 10 {
			t.Errorf("%d messages handled, %v", n, err)
		}
	})
}

// A group that subscribes late gets what is still kept; a failing key does not hold up the others meanwhile.
func TestLateGroupAndFailingKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBroker(t, config)
		for i := range 6 {
			if err := publish(b, "t", []string{"bad", "good"}[i%2], i); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		var mu sync.Mutex
		var good, bad []string
		healed := false
		go func() {
			done <- b.Subscribe(ctx, Subscription{Topic: "t", Group: "late"}, func(_ context.Context, d *Delivery) error {
				mu.Lock()
				defer mu.Unlock()
				if d.Key == "good" {
					good = append(good, string(d.Payload))
					return nil
				}
				if !healed {
					return errors.New("not yet")
				}
				bad = append(bad, string(d.Payload))
				return nil
			})
		}()
		synctest.Wait()
		mu.Lock()
		if fmt.Sprint(good, bad) != "[1 3 5] []" {
			t.Errorf("with a failing key: %v %v", good, bad)
		}
		healed = true
		mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		if fmt.Sprint(bad) != "[0 2 4]" {
			t.Errorf("the key that failed: %v", bad)
		}
		mu.Unlock()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	if _, err := Open(t.Context(), Config{}, "s", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a broker without bounds was opened")
	}
}

// TestHandlerMayFinish ends a subscription while its handler runs: the handler has its grace, and no more.
func TestHandlerMayFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config
		cfg.Grace = time.Minute
		b := openBroker(t, cfg)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		done := make(chan error, 1)
		var lived time.Duration
		go func() {
			done <- b.Subscribe(ctx, Subscription{Topic: "t", Group: "g"}, func(ctx context.Context, _ *Delivery) error {
				end()
				began := time.Now()
				<-ctx.Done()
				lived = time.Since(began)
				return ctx.Err()
			})
		}()
		if err := publish(b, "t", "k", 1); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if lived != time.Minute {
			t.Errorf("the handler's context lived %v after the subscription, want the grace of a minute", lived)
		}
	})
}
