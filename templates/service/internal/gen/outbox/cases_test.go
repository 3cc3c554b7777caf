package outbox

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caarlos0/env/v11"
)

// keys lists which events of key arrived, in order, duplicates included.
func (w *world) arrived(key Key) []int {
	w.sink.mu.Lock()
	defer w.sink.mu.Unlock()
	var out []int
	for _, m := range w.sink.log {
		if m.Topic == key.Topic && m.Key == key.Key {
			n, err := strconv.Atoi(string(m.Payload))
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, n)
		}
	}
	return out
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

var quiet = faults{delay: 2 * ms, dbDelay: 2 * ms}

// bad refuses event n of key.
func bad(key Key, n int) func(*Message) bool {
	return func(m *Message) bool {
		return m.Topic == key.Topic && m.Key == key.Key && string(m.Payload) == strconv.Itoa(n)
	}
}

func TestRefusedEventBlocksItsKeyOnly(t *testing.T) {
	for _, pipeline := range []bool{false, true} {
		t.Run(fmt.Sprint("pipelined ", pipeline), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, 1)
				w.cfg.MaxAttempts = 3
				a, b := Key{"t", "a"}, Key{"t", "b"}
				w.sink.bad = bad(a, 3)
				r, _, stop, _ := w.relay(quiet, pipeline)
				for range 6 {
					w.table.commit(a)
					w.table.commit(b)
				}
				time.Sleep(10 * time.Second)
				if got := w.arrived(b); !slices.Equal(got, upTo(6)) {
					t.Errorf("the other key got %v", got)
				}
				if got := w.arrived(a); !slices.Equal(got, upTo(2)) {
					t.Errorf("the blocked key got %v, want 1 and 2", got)
				}
				if dead := w.table.letters(); len(dead) != 1 || dead[5].Attempts != 3 {
					t.Errorf("dead letters %v, want row 5 after 3 attempts", dead)
				}
				if s := r.Status(); len(s.Down) != 0 || s.Held != 0 || s.Stats.BlockedKeys != 1 {
					t.Errorf("status %+v, want a failure, one blocked key and nothing in memory", s)
				}

				w.sink.mu.Lock()
				w.sink.bad = nil
				w.sink.mu.Unlock()
				w.table.requeue(5)
				time.Sleep(3 * time.Second)
				if got := w.arrived(a); !slices.Equal(got, upTo(6)) {
					t.Errorf("after the requeue the key got %v, want 1 to 6", got)
				}
				stop()
				w.wg.Wait()
			})
		})
	}
}

// A binding or a topic that is missing for half a minute makes no dead letter, whether few keys wait or so many that the
// destination counts as down, and though the relay is replaced meanwhile. What is refused for good is one soon after.
func TestRefusalsAreSpread(t *testing.T) {
	for _, keys := range []int{1, maxPauses + 100} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, 1)
			w.cfg.Batch, w.cfg.Held = 1000, 8000
			missing := true
			w.sink.bad = func(*Message) bool {
				w.sink.mu.Lock()
				defer w.sink.mu.Unlock()
				return missing
			}
			for i := range keys {
				w.table.commit(Key{"t", fmt.Sprint(i)})
			}
			_, _, stop, _ := w.relay(faults{delay: 2 * ms}, false)
			time.Sleep(15 * time.Second)
			stop()
			r, l, stop, _ := w.relay(faults{delay: 2 * ms}, false)
			time.Sleep(15 * time.Second)
			if n := len(w.table.letters()); n > 0 {
				t.Errorf("%d keys: %d dead letters after half a minute", keys, n)
			}
			if n := l.handed(); n > 12*keys {
				t.Errorf("%d keys: %d messages sent within 15 s, for the relay began again with short pauses", keys, n)
			}
			if !slices.ContainsFunc(r.Status().Failures, func(f Failure) bool { return f.What == "publish t" }) {
				t.Errorf("%d keys: status does not show the refusals", keys)
			}
			w.sink.mu.Lock()
			missing = false
			w.sink.mu.Unlock()
			began := time.Now()
			w.settle()
			if d := time.Since(began); d > 15*time.Second {
				t.Errorf("%d keys: it took %v to go on", keys, d)
			}
			w.check()

			w.sink.mu.Lock()
			missing = true
			w.sink.mu.Unlock()
			w.table.commit(Key{"t", "k"})
			time.Sleep(70 * time.Second)
			if n := len(w.table.letters()); n != 1 {
				t.Errorf("%d keys: %d dead letters, want the one that is always refused", keys, n)
			}
			stop()
			w.wg.Wait()
		})
	}
}

func TestRefusedEventIsSkippedByPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		w.cfg.OnDead = Skip
		a := Key{"t", "a"}
		w.sink.bad = bad(a, 3)
		_, _, stop, _ := w.relay(quiet, false)
		for range 6 {
			w.table.commit(a)
		}
		w.settle()
		if got, want := w.arrived(a), []int{1, 2, 4, 5, 6}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		stop()
		w.wg.Wait()
	})
}

// Two relays meet the same refused event: neither may go on to its successor from memory.
func TestRefusedEventWithTwoRelays(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed, 1)
			w.sink.bad = func(m *Message) bool { return string(m.Payload) == "3" }
			f := faults{delay: 30 * ms, dbDelay: 30 * ms, db: .1}
			_, _, stop1, _ := w.relay(f, false)
			_, _, stop2, _ := w.relay(f, false)
			for range 6 {
				for k := range 3 {
					w.table.commit(Key{"t", fmt.Sprint(k)})
				}
			}
			w.settle()
			time.Sleep(time.Second)
			stop1()
			stop2()
			w.wg.Wait()
			w.check()
			for k := range 3 {
				for _, n := range w.arrived(Key{"t", fmt.Sprint(k)}) {
					if n > 2 {
						t.Fatalf("seed %d: event %d of key %d passed the dead letter", seed, n, k)
					}
				}
			}
		})
	}
}

// A destination that is down, with more rows than fit in memory and older than all others, delays nobody, costs no
// attempt, and catches up in order when it is back.
func TestDeadDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 2)
		isDown := true
		w.sink.down = func(topic string) bool {
			w.sink.mu.Lock()
			defer w.sink.mu.Unlock()
			return isDown && topic == "dead"
		}
		for i := range 1000 {
			w.table.commit(Key{"dead", fmt.Sprint(i % 300)})
		}
		r, l, stop, _ := w.relay(quiet, false)
		time.Sleep(5 * time.Second)
		s := r.Status()
		if len(s.Down) != 1 || s.Down[0].Topic != "dead" || s.Down[0].Error == "" {
			t.Errorf("status %+v, want the dead destination with its error", s)
		}
		if worst := r.breakers()["dead"]; worst == closed {
			t.Error("the breaker metric says closed")
		}
		for i := range 50 {
			w.table.commit(Key{"live", fmt.Sprint(i % 7)})
			r.Wake()
			began := time.Now()
			for w.sink.len() <= i {
				time.Sleep(ms)
			}
			if d := time.Since(began); d > 100*ms {
				t.Fatalf("a live destination waited %v for a dead one", d)
			}
		}
		tried := l.handed()
		time.Sleep(time.Minute)
		if n := l.handed() - tried; n > 2*30 || n < 2 {
			t.Errorf("%d messages in a minute of outage, want a probe each few seconds and lane", n)
		}
		w.sink.mu.Lock()
		isDown = false
		w.sink.mu.Unlock()
		began := time.Now()
		w.settle()
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("catching up took %v", d)
		}
		stop()
		w.wg.Wait()
		if n := w.check(); n > 0 {
			t.Errorf("%d duplicates", n)
		}
		if len(w.table.dead) > 0 {
			t.Errorf("an outage made %d dead letters", len(w.table.dead))
		}
		for _, m := range w.table.rows {
			t.Errorf("row %d has %d attempts", m.Row, m.Attempts)
		}
	})
}

// One key with a backlog larger than memory leaves room for the others, and memory stays bounded.
func TestBusyKey(t *testing.T) {
	for _, pipeline := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, 1)
			w.cfg.Lanes = 1
			for range 2000 {
				w.table.commit(Key{"t", "busy"})
			}
			w.table.commit(Key{"t", "other"})
			r, l, stop, _ := w.relay(faults{delay: 10 * ms, dbDelay: ms}, pipeline)
			began := time.Now()
			for len(w.arrived(Key{"t", "other"})) == 0 {
				time.Sleep(ms)
				if held := r.Status().Held; held > w.cfg.Held {
					t.Fatalf("%d rows in memory, at most %d", held, w.cfg.Held)
				}
				if !pipeline && time.Since(began) > time.Second {
					t.Fatal("the other key starves behind the busy one")
				}
			}
			w.settle()
			stop()
			w.wg.Wait()
			if n := w.check(); n > 0 {
				t.Errorf("%d duplicates", n)
			}
			if pipeline == (l.maxKey < 2) {
				t.Errorf("%d messages of one key in flight, pipelined %v", l.maxKey, pipeline)
			}
		})
	}
}

// Rows and bytes in memory are bounded, however many keys wait for a slow broker.
func TestMemoryIsBounded(t *testing.T) {
	for _, c := range []struct{ payload, most int }{{10, 100}, {100 << 10, 6}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, 1)
			w.cfg.Lanes, w.cfg.HeldBytes = 1, 512<<10
			for i := range 400 {
				w.table.commit(Key{"t", fmt.Sprint(i)})
				w.table.rows[i].Payload = make([]byte, c.payload)
			}
			r, l, stop, crash := w.relay(faults{delay: time.Minute}, false)
			time.Sleep(10 * time.Second)
			if held := r.Status().Held; held > c.most || held < c.most/2 || l.handed() == 0 {
				t.Errorf("%d rows of %d bytes in memory, want at most %d", held, c.payload, c.most)
			}
			crash()
			stop()
			w.wg.Wait()
		})
	}
}

func TestConfig(t *testing.T) {
	if cfg := (Config{}).withDefaults(); Problems(cfg) != nil || cfg.Batch != 1000 || cfg.OnDead != BlockKey {
		t.Errorf("zero config: %+v, %v", cfg, Problems(cfg))
	}
	tags, err := env.ParseAsWithOptions[Config](env.Options{Environment: map[string]string{}})
	if want := (Config{}).withDefaults(); err != nil || tags != want {
		t.Errorf("the defaults of the environment are %+v, %v; of the zero Config %+v", tags, err, want)
	}
	for key, c := range map[string]Config{
		"RELAY_BATCH": {Batch: -1}, "RELAY_HELD": {Held: 10}, "RELAY_LANES": {Lanes: -1}, "RELAY_POLL_MAX": {PollMin: time.Minute},
		"RELAY_ON_DEAD": {OnDead: "drop"}, "RELAY_DRAIN": {Drain: -1}, "RELAY_HELD_BYTES": {HeldBytes: 5}, "RELAY_RETRY_MAX": {RetryMin: time.Hour},
		"RELAY_MAX_ATTEMPTS": {MaxAttempts: 1 << 20},
	} {
		var keys []string
		c.withDefaults().Check(func(key, _ string) { keys = append(keys, key) })
		if len(keys) != 1 || keys[0] != key {
			t.Errorf("%+v: problems with %v, want one with %s", c, keys, key)
		}
	}
	if !IsRejection(fmt.Errorf("send: %w", &Rejection{errFault})) || IsRejection(errFault) || !errors.Is(&Rejection{errFault}, errFault) {
		t.Error("rejections are not told from outages")
	}
}
