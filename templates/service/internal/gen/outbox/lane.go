package outbox

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	coalesce   = time.Millisecond      // at least, between fetches that wakes ask for; the first one is made at once
	busyShare  = 3                     // such fetches take no more than this part of the time: a third
	linger     = 10 * time.Millisecond // accepted rows wait this long for others before they are deleted
	settleRows = 1000                  // rows of one delete
	opTimeout  = 30 * time.Second      // of one database call
	probeRows  = 16                    // rows of a tripped destination kept in memory
	keyRows    = 64                    // rows of one key kept in memory, where they cannot be pipelined
)

// lane publishes some of the relay's shards: one goroutine that owns all fields below inbox. Fetches and deletes run
// beside it, at most one of each, so the next page is read while the last one is with the broker and what was
// accepted is deleted behind. What a lane keeps in memory is bounded by rows and by bytes; rows that cannot be sent
// soon (their destination is down, their key waits) are forgotten and fetched again.
type lane struct {
	r     *Relay
	cap   int // rows
	bytes int // of payload, at most
	inbox inbox
	view  atomic.Pointer[view]

	leases map[int16]Lease
	held   map[int64]bool // rows in memory: waiting, in flight, or accepted and not yet deleted
	forgot int64          // the oldest row dropped from there, or not taken in, since the last fetch began; 0: none
	size   int            // bytes of payload in memory
	queues map[Key]*keyQueue
	ready  []*keyQueue // may have something to send, in turn
	topics map[string]*breaker
	pauses map[Key]*pause
	flying int // messages without an answer

	fetching  *fetching
	fetchAt   time.Time
	fetched   time.Time // when the last fetch began
	took      time.Duration
	refetch   bool // something was committed while fetching
	idleFor   time.Duration
	suspended bool // rows wait for a lease to be renewed

	settling bool
	settleAt time.Time
	accepted []int64 // to delete
	refused  []*keyQueue
	setbacks int // failed database calls in a row
	ops      sync.WaitGroup
}

// fetching is a fetch under way. What the lane forgets meanwhile must not come back by its result, which was read
// before: the rows behind the forgotten ones would overtake them.
type fetching struct {
	leases map[int16]int64 // epochs it reads with
	stale  map[Key]bool
	limit  int
}

// inbox is what other goroutines tell the lane.
type inbox struct {
	mu      sync.Mutex
	signal  chan struct{}
	answers []answer
	page    *page
	settled *settled
	leases  []Lease
	leased  bool
	woken   bool
}

type answer struct {
	it  *item
	err error
}

type page struct {
	recs []Record
	err  error
}

type news struct {
	answers []answer
	page    *page
	settled *settled
	leases  []Lease
	leased  bool
	woken   bool
}

// put changes the inbox and wakes the lane. It never blocks for long, so a broker's callback may use it.
func (in *inbox) put(change func(*inbox)) {
	in.mu.Lock()
	change(in)
	in.mu.Unlock()
	select {
	case in.signal <- struct{}{}:
	default:
	}
}

func (in *inbox) take() news {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := news{in.answers, in.page, in.settled, in.leases, in.leased, in.woken}
	in.answers, in.page, in.settled, in.leased, in.woken = nil, nil, nil, false, false
	return n
}

func newLane(r *Relay) *lane {
	return &lane{
		r: r, cap: max(r.cfg.Held/r.cfg.Lanes, 1), bytes: max(r.cfg.HeldBytes/r.cfg.Lanes, MaxPayload),
		inbox: inbox{signal: make(chan struct{}, 1)}, leases: make(map[int16]Lease), held: make(map[int64]bool),
		queues: make(map[Key]*keyQueue), topics: make(map[string]*breaker), pauses: make(map[Key]*pause),
	}
}

// run works until ctx is done, and then until the broker has answered and the accepted rows are deleted, or hard
// is done.
func (l *lane) run(ctx, hard context.Context) {
	defer l.ops.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		l.read(l.inbox.take(), now)
		l.lift(now)
		stopping := ctx.Err() != nil
		if !stopping {
			l.send(ctx)
			l.fetch(ctx, time.Now())
		}
		l.settle(hard, time.Now(), stopping)
		if stopping && (hard.Err() != nil || l.quiet()) {
			return
		}
		l.wait(ctx, hard, timer, stopping)
	}
}

// quiet reports that nothing is under way.
func (l *lane) quiet() bool {
	return l.flying == 0 && !l.settling && len(l.accepted) == 0 && l.fetching == nil
}

// wait returns at the next event, or when something is due.
func (l *lane) wait(ctx, hard context.Context, timer *time.Timer, stopping bool) {
	done := ctx.Done()
	if stopping {
		done = hard.Done()
	}
	timer.Reset(max(time.Until(l.due(stopping)), 0))
	select {
	case <-done:
	case <-l.inbox.signal:
	case <-timer.C:
	}
}

// due is when the lane has something to do even if nothing happens.
func (l *lane) due(stopping bool) time.Time {
	at := time.Now().Add(time.Minute)
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if !l.settling && (len(l.accepted) > 0 || len(l.refused) > 0 && !stopping) {
		earlier(l.settleAt)
	}
	if stopping {
		return at
	}
	if l.fetching == nil && l.room() > 0 && len(l.leases) > 0 {
		earlier(l.fetchAt)
	}
	for _, p := range l.pauses {
		if !p.lifted {
			earlier(p.until)
		}
	}
	for _, b := range l.topics {
		if b.tripped && !b.lifted {
			earlier(b.until)
		}
	}
	return at
}

// read takes in what happened.
func (l *lane) read(n news, now time.Time) {
	if n.leased {
		l.lease(n.leases, now)
	}
	for _, a := range n.answers {
		l.answered(a, now)
	}
	if n.settled != nil {
		l.afterSettle(n.settled, now)
	}
	if n.page != nil {
		l.afterFetch(n.page, now)
	}
	if n.woken {
		l.fetchWoken()
	}
}

// fetchWoken asks for a fetch after rows were committed. The slower the database, the more commits one fetch is for.
func (l *lane) fetchWoken() {
	l.fetchSoon(l.fetched.Add(max(coalesce, busyShare*l.took)))
}

// fetchSoon moves the next fetch forward to t.
func (l *lane) fetchSoon(t time.Time) {
	if l.fetching != nil {
		l.refetch = true // its snapshot may be older than what we were woken for
	} else if t.Before(l.fetchAt) {
		l.fetchAt = t
	}
}

// lease replaces what the lane owns. What it holds of shards that are gone, or changed hands between, is forgotten.
func (l *lane) lease(leases []Lease, now time.Time) {
	before := l.leases
	l.leases = make(map[int16]Lease, len(leases))
	for _, s := range leases {
		l.leases[s.Shard] = s
		if old, ok := before[s.Shard]; !ok || old.Epoch != s.Epoch {
			l.fetchSoon(now)
		}
	}
	for _, q := range l.queues {
		old, had := before[q.shard]
		if cur, ok := l.leases[q.shard]; !ok || had && cur.Epoch != old.Epoch {
			l.leaveAlone(q)
		} else if l.suspended {
			l.enqueue(q)
		}
	}
	l.suspended = false
	l.report(now)
}

// jitter spreads d by ±10 %, so that relays do not poll in step.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }
