package outbox

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestWake: an event committed now is fetched at once when the relay is told, at the next poll when not, and an idle
// relay polls once a second.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		r, _, stop, _ := w.relay(faults{}, false)
		time.Sleep(time.Minute)
		latency := func(wake bool) time.Duration {
			began, n := time.Now(), w.sink.len()
			w.table.commit(Key{"t", "k"})
			if wake {
				for range 100 {
					r.Wake()
				}
			}
			for w.sink.len() == n {
				time.Sleep(ms / 10)
			}
			time.Sleep(10 * time.Second)
			return time.Since(began) - 10*time.Second
		}
		if d := latency(true); d > ms/2 {
			t.Errorf("woken: %v", d)
		}
		if d := latency(false); d < 5*ms || d > 1100*ms {
			t.Errorf("by poll: %v", d)
		}
		stop()
		w.wg.Wait()
	})
}

// Wakes close together make one fetch, so that a busy service does not read its outbox once for every commit.
func TestWakeStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.cfg.Lanes = 1
		r, _, stop, _ := w.relay(faults{}, false)
		time.Sleep(time.Minute)
		w.table.mu.Lock()
		before := w.table.fetches
		w.table.mu.Unlock()
		for range 10_000 {
			r.Wake()
			time.Sleep(ms / 10)
		}
		w.table.mu.Lock()
		n := w.table.fetches - before
		w.table.mu.Unlock()
		if most := int(time.Second/coalesce) + 2; n > most || n < most/2 {
			t.Errorf("%d fetches in a second of wakes, want about %d", n, most)
		}
		stop()
		w.wg.Wait()
	})
}

// A commit in one process wakes the relay of another that owns the shard.
func TestWakeAcrossProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		b := &bell{}
		var relays []*Relay
		for _, idle := range []bool{true, false} {
			c := newClient(w.table, w.d, faults{})
			l := &link{sink: w.sink, d: w.d, wg: &w.wg, inflight: make(map[Key]int)}
			r := newRelay(t, ringing{c, b, idle}, l, w.cfg)
			relays = append(relays, r)
			defer run(t, r)()
		}
		time.Sleep(time.Minute)
		w.table.commit(Key{"t", "k"})
		relays[0].Wake()
		time.Sleep(3 * ms)
		if w.sink.len() != 1 {
			t.Error("the owner of the shard was not woken")
		}
	})
}

// A wake that comes while a fetch is under way must lead to another one: that fetch may have read before the commit.
func TestWakeWhileFetching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		const longest = 2 * 40 * ms // of a fetch, before and after it reads
		r, _, stop, _ := w.relay(faults{dbDelay: 40 * ms}, false)
		time.Sleep(time.Minute)
		for range 50 {
			n := w.sink.len()
			began := time.Now()
			r.Wake()
			w.d.sleep(40 * ms) // the fetch is running
			w.table.commit(Key{"t", "k"})
			r.Wake()
			for w.sink.len() == n {
				time.Sleep(ms)
			}
			// One fetch is under way, the next begins three times as long after it as that took; with a wake lost there
			// is none for a second.
			if d := time.Since(began); d > (busyShare+2)*longest {
				t.Fatalf("a wake was lost: the event took %v", d)
			}
			time.Sleep(20 * time.Second)
		}
		stop()
		w.wg.Wait()
	})
}

// Without a renewed lease nothing is sent, and all goes on when it comes.
func TestLeaseRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		key := Key{"t", "k"}
		for range 100 {
			w.table.commit(key)
		}
		c := newClient(w.table, w.d, quiet)
		q := &leases{client: c}
		l := &link{sink: w.sink, d: w.d, f: faults{delay: 2 * time.Second}, wg: &w.wg, inflight: make(map[Key]int)}
		r := newRelay(t, q, l, w.cfg)
		stop := run(t, r)
		time.Sleep(20 * time.Second)
		q.down.Store(true)
		time.Sleep(30 * time.Second)
		n := w.sink.len()
		time.Sleep(time.Minute)
		if m := w.sink.len(); m != n || n == 0 {
			t.Errorf("%d events were sent without a lease, %d before", m-n, n)
		}
		q.down.Store(false)
		w.settle()
		stop()
		w.wg.Wait()
		if n := w.check(); n > 0 {
			t.Errorf("%d duplicates", n)
		}
		if !slices.ContainsFunc(r.Status().Failures, func(f Failure) bool { return f.What == "lease" }) {
			t.Error("status does not show that leases fail")
		}
	})
}

// A stop waits for the answers and deletes what was accepted; a broker that never answers costs the drain time.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		for i := range 50 {
			w.table.commit(Key{"t", fmt.Sprint(i)})
		}
		_, l, stop, _ := w.relay(faults{delay: time.Second}, false)
		time.Sleep(100 * ms)
		began := time.Now()
		stop()
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("stop took %v with answers in at most two seconds", d)
		}
		if got, want := len(w.table.rows), 50-w.sink.len(); got != want || l.handed() == 0 {
			t.Errorf("%d rows left, want %d: accepted ones must be deleted, others kept", got, want)
		}
		w.wg.Wait()
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.table.commit(Key{"t", "k"})
		_, _, stop, _ := w.relay(faults{delay: time.Hour}, false)
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		if d := time.Since(began); d < 4*time.Second || d > 6*time.Second {
			t.Errorf("stop took %v with a silent broker, want the drain time", d)
		}
		w.wg.Wait()
	})
}
