package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
)

// Regime is a run that tries the order theorem: whatever relays do short of losing their memory of the rules, the
// first occurrences of a key's events are published in commit order and none is lost.
//
// Frequent crashes and quiet runs find different mistakes: a crash makes a relay begin at the first row again,
// which hides a row that a wrong mark had skipped.
type Regime struct {
	Writers, Keys, Transactions int
	Relays                      int
	TTL                         time.Duration // of leases
	Crash                       float64       // probability of a crash between publishing a page and deleting it
	Freeze                      float64       // probability of a pause longer than TTL with a page in hand
	Patience                    time.Duration // how long nothing is published before what is missing counts as undrained
}

// Outcome is what a run found.
type Outcome struct {
	Committed  int
	Disorder   int // first occurrences that do not follow their predecessor
	Ghosts     int // events of no committed transaction
	Undrained  int // committed events that nobody published although relays went on looking
	Missed     int // rows a queue had skipped and found again by its own safety net
	Duplicates int
	Crashes    int
	Freezes    int
	Longest    time.Duration // without a first occurrence, while some were missing
}

// sink is a broker that remembers everything.
type sink struct {
	mu         sync.Mutex
	last       map[string]int // the first occurrences so far end here
	seen       map[string]map[int]bool
	disorder   int
	duplicates int
	progress   chan struct{}
}

func (s *sink) publish(r outbox.Record) {
	n, err := strconv.Atoi(string(r.Payload))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.disorder++
		return
	case s.seen[r.Key][n]:
		s.duplicates++
		return
	case n != s.last[r.Key]+1:
		s.disorder++
	}
	if s.seen[r.Key] == nil {
		s.seen[r.Key] = make(map[int]bool)
	}
	s.seen[r.Key][n] = true
	s.last[r.Key] = n
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

func (s *sink) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.seen {
		n += len(k)
	}
	return n
}

// sweeper is a queue that counts what its safety net caught.
type sweeper interface{ FloorMissed() int64 }

// Run writes through the stores and relays through queues that process makes, one for each incarnation of a relay.
// The first store's database has the table counter.
func (g Regime) Run(t testing.TB, stores []Store, process func() Queue) Outcome {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for k := range g.Keys {
		must(t, stores[0].InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			return tx.Exec(ctx, fmt.Sprintf("INSERT INTO counter VALUES ('k%d-', 0)", k))
		}))
	}
	s := &sink{last: make(map[string]int), seen: make(map[string]map[int]bool), progress: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	var relays, writers sync.WaitGroup
	var queues []Queue
	var mu sync.Mutex
	remembered := func() Queue {
		q := process()
		mu.Lock()
		defer mu.Unlock()
		queues = append(queues, q)
		return q
	}
	rs := make([]*relay, g.Relays)
	for i := range rs {
		rs[i] = &relay{t: t, g: g, s: s, rnd: rand.New(rand.NewPCG(seed, uint64(i)))}
		relays.Go(func() { rs[i].run(ctx, remembered) })
	}
	for w := range g.Writers {
		writers.Go(func() { g.write(t, stores[w%len(stores)], rand.New(rand.NewPCG(seed, 1000+uint64(w)))) })
	}
	writers.Wait()

	want := make(map[string]int)
	committed := 0
	for k := range g.Keys {
		key := fmt.Sprintf("k%d-", k)
		must(t, stores[0].InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			n, err := tx.Int(ctx, "SELECT n FROM counter WHERE name = '"+key+"'")
			want[key] = int(n)
			committed += int(n)
			return err
		}))
	}
	var longest time.Duration
	began := time.Now()
	for left := time.NewTimer(g.Patience); s.total() < committed; {
		select {
		case <-s.progress:
			longest = max(longest, time.Since(began))
			began = time.Now()
			left.Reset(g.Patience)
			continue
		case <-left.C:
		}
		break
	}
	cancel()
	relays.Wait()

	out := Outcome{Committed: committed, Disorder: s.disorder, Duplicates: s.duplicates, Longest: longest}
	for key, n := range want {
		for i := 1; i <= n; i++ {
			if !s.seen[key][i] {
				out.Undrained++
			}
		}
	}
	for key, seen := range s.seen {
		for i := range seen {
			if i > want[key] {
				out.Ghosts++
			}
		}
	}
	for _, q := range queues {
		if s, ok := q.(sweeper); ok {
			out.Missed += int(s.FloorMissed())
		}
	}
	for _, r := range rs {
		out.Crashes += r.crashes
		out.Freezes += r.freezes
	}
	return out
}

// write commits transactions that hold the key's row, as the theorem asks, and rolls some back.
func (g Regime) write(t testing.TB, db Store, rnd *rand.Rand) {
	refused := errors.New("refused")
	for range g.Transactions / g.Writers {
		key, refuse := fmt.Sprintf("k%d-", rnd.IntN(g.Keys)), rnd.IntN(10) == 0
		err := db.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
			if err := tx.Exec(ctx, "UPDATE counter SET n = n + 1 WHERE name = '"+key+"'"); err != nil {
				return err
			}
			n, err := tx.Int(ctx, "SELECT n FROM counter WHERE name = '"+key+"'")
			if err == nil {
				err = tx.Emit(message(key, int(n)))
			}
			if err == nil && refuse {
				err = refused
			}
			return err
		})
		if err != nil && !errors.Is(err, refused) {
			t.Errorf("write: %v", err)
		}
	}
}

// relay is the least that obeys the rules: rows of a key in order, none before its predecessor was accepted,
// deleted only afterwards.
type relay struct {
	t       testing.TB
	g       Regime
	s       *sink
	rnd     *rand.Rand
	crashes int
	freezes int
}

func (r *relay) run(ctx context.Context, process func() Queue) {
	for ctx.Err() == nil {
		if err := r.incarnation(ctx, process()); err != nil && ctx.Err() == nil {
			r.t.Errorf("relay: %v", err)
			return
		}
	}
}

// incarnation works until it crashes or ctx is done.
func (r *relay) incarnation(ctx context.Context, q Queue) error {
	owner := uuid.NewString()
	var leases []outbox.Lease
	var renewed time.Time
	var accepted []int64 // published and not yet deleted: the relay holds them
	var again int64      // the oldest row of the last page that it does not hold
	for ctx.Err() == nil {
		if time.Since(renewed) > r.g.TTL/4 {
			var err error
			if leases, err = q.Lease(ctx, owner, r.g.TTL); err != nil {
				return err
			}
			renewed = time.Now()
		}
		if len(leases) > 0 && time.Now().After(leases[0].Until) {
			leases = nil
			continue
		}
		page, err := q.Fetch(ctx, outbox.Page{Owner: owner, Leases: leases, Held: accepted, Again: again, Limit: 1 + r.rnd.IntN(40)})
		if err != nil {
			return err
		}
		if r.rnd.Float64() < r.g.Freeze && len(page) > 0 {
			r.freezes++
			wait(ctx, 2*r.g.TTL) // and goes on as a zombie
		}
		sent, left := r.publish(page)
		accepted, again = append(accepted, sent...), left
		if len(page) > 0 && r.rnd.Float64() < r.g.Crash {
			r.crashes++
			return nil
		}
		if len(accepted) > 50 || len(page) == 0 && len(accepted) > 0 {
			if err := q.Delete(ctx, accepted); err != nil {
				return err
			}
			accepted = nil
		}
		if len(page) == 0 {
			wait(ctx, time.Millisecond)
		}
	}
	bye := context.WithoutCancel(ctx)
	return errors.Join(q.Delete(bye, accepted), q.Release(bye, owner, leases))
}

// publish sends the page; now and then the broker is out of reach for one row, and its key waits for the next page.
// It returns the first such row.
func (r *relay) publish(page []outbox.Record) (accepted []int64, again int64) {
	waits := make(map[string]bool)
	for _, rec := range page {
		if waits[rec.Key] || r.rnd.IntN(20) == 0 {
			waits[rec.Key] = true
			if again == 0 {
				again = rec.Row
			}
			continue
		}
		r.s.publish(rec)
		accepted = append(accepted, rec.Row)
	}
	return accepted, again
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Crashy and Quiet are the two regimes every database has to pass.
var (
	Crashy = Regime{Writers: 8, Keys: 24, Transactions: 1600, Relays: 4, TTL: 400 * time.Millisecond, Crash: 0.15, Freeze: 0.02, Patience: 20 * time.Second}
	Quiet  = Regime{Writers: 8, Keys: 24, Transactions: 1600, Relays: 2, TTL: 20 * time.Second, Patience: 20 * time.Second}
)

// testOrder proves the theorem's second and third condition together with testWriters' first.
func (s Suite) testOrder(t *testing.T) {
	for name, g := range map[string]Regime{"crashy": Crashy, "quiet": Quiet} {
		t.Run(name, func(t *testing.T) {
			if !s.Leased {
				g.Relays = 1 // who share the rows only by luck see each one twice
			}
			open := s.Fresh(t)
			stores := []Store{s.migrated(t, open), opened(t, open)}
			out := g.Run(t, stores, func() Queue { return opened(t, open).Queue() })
			t.Logf("%+v", out)
			if out.Disorder+out.Ghosts+out.Undrained+out.Missed > 0 {
				t.Errorf("order or loss: %+v", out)
			}
			if g.Crash == 0 && out.Duplicates > 0 {
				t.Errorf("%d duplicates although nothing crashed", out.Duplicates)
			}
			if g.Crash > 0 && (out.Crashes == 0 || out.Duplicates == 0) {
				t.Errorf("the faults did not bite: %+v", out)
			}
			if out.Committed < g.Transactions/2 {
				t.Errorf("only %d of %d transactions committed", out.Committed, g.Transactions)
			}
		})
	}
}
