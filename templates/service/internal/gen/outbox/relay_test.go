package outbox

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// TestOrder is the order theorem as a property: whatever fails, crashes or comes late, first occurrences are in
// commit order per key and nothing is lost. Quiet regimes matter as much as wild ones: a crash resets a relay's
// memory and with it what may be wrong in there, and without faults there is no excuse for a duplicate.
func TestOrder(t *testing.T) {
	wild := faults{outage: .1, unknown: .1, sync: .05, db: .1, delay: 5 * ms, dbDelay: 5 * ms}
	for _, c := range []struct {
		name     string
		f        faults
		keys     int
		pipeline bool
		relays   int
		crashes  int
		exact    bool // no duplicates
	}{
		{name: "quiet", f: faults{delay: 3 * ms, dbDelay: 2 * ms}, keys: 10, relays: 1, exact: true},
		{name: "quiet, slow database", f: faults{delay: ms, dbDelay: 50 * ms}, keys: 10, relays: 1, exact: true},
		{name: "quiet, slow broker", f: faults{delay: 80 * ms, dbDelay: ms}, keys: 40, relays: 1, exact: true},
		{name: "quiet, one key", f: faults{delay: 2 * ms, dbDelay: 2 * ms}, keys: 1, relays: 1, exact: true},
		{name: "quiet, pipelined", f: faults{delay: ms, dbDelay: 2 * ms}, keys: 3, relays: 1, pipeline: true, exact: true},
		{name: "outages", f: faults{outage: .2, sync: .1, delay: 5 * ms, dbDelay: 3 * ms}, keys: 10, relays: 1, exact: true},
		{name: "database faults", f: faults{db: .2, delay: 3 * ms, dbDelay: 3 * ms}, keys: 10, relays: 1, exact: true},
		{name: "wild", f: wild, keys: 10, relays: 1},
		{name: "wild, one key", f: wild, keys: 1, relays: 1},
		{name: "wild, pipelined", f: faults{outage: .02, unknown: .02, sync: .02, db: .1, delay: 2 * ms, dbDelay: 5 * ms}, keys: 4, relays: 1, pipeline: true},
		{name: "two relays", f: faults{delay: 5 * ms, dbDelay: 5 * ms}, keys: 10, relays: 2},
		{name: "three relays, wild", f: wild, keys: 10, relays: 3},
		{name: "crashes", f: faults{delay: 20 * ms, dbDelay: 5 * ms}, keys: 10, relays: 1, crashes: 20},
		{name: "crashes, wild, two relays", f: wild, keys: 10, relays: 2, crashes: 20},
		{name: "crashes, pipelined", f: faults{outage: .02, delay: 2 * ms, dbDelay: 5 * ms}, keys: 4, relays: 1, crashes: 10, pipeline: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 4 {
				seed := uint64(time.Now().UnixNano())
				t.Logf("seed %d", seed)
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, seed, 4)
					stops, crashes := make([]func(), c.relays), make([]func(), c.relays)
					relays := make([]*Relay, c.relays)
					start := func(i int) { relays[i], _, stops[i], crashes[i] = w.relay(c.f, c.pipeline) }
					for i := range c.relays {
						start(i)
					}
					var writer sync.WaitGroup
					writer.Go(func() {
						for range 600 {
							w.table.commit(Key{fmt.Sprint("t", w.d.n(2)), fmt.Sprint("k", w.d.n(c.keys))})
							if w.d.one(.3) {
								relays[0].Wake()
							}
							w.d.sleep(4 * ms)
						}
					})
					for i := range c.crashes {
						time.Sleep(time.Duration(20+w.d.n(100)) * ms)
						crashes[i%c.relays]()
						start(i % c.relays)
					}
					writer.Wait()
					w.settle()
					for _, stop := range stops {
						stop()
					}
					w.wg.Wait()
					if n := w.check(); c.exact && n > 0 {
						t.Errorf("%d duplicates without a crash or a lost answer", n)
					}
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}
