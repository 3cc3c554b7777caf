package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dice is a seeded source of faults, shared by goroutines.
type dice struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{rnd: rand.New(rand.NewPCG(seed, 1))} }

func (d *dice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.IntN(n)
}

// one reports true with probability p.
func (d *dice) one(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.Float64() < p
}

func (d *dice) sleep(limit time.Duration) {
	if limit > 0 {
		time.Sleep(time.Duration(d.n(int(limit))))
	}
}

// table is an outbox in memory. Several relays may work on it; it grants all its shards to everybody, the worst
// that leases can do.
type table struct {
	mu      sync.Mutex
	fetches int
	next    int64
	rows    []Record // by Row
	dead    map[int64]Record
	blocked map[Key]int64
	epoch   int64       // of all shards
	seen    map[Key]int // rows ever committed
	shards  int
}

func newTable(shards int) *table {
	return &table{next: 1, dead: make(map[int64]Record), blocked: make(map[Key]int64), seen: make(map[Key]int), shards: shards}
}

// commit adds the next event of key; payloads count from 1 in commit order.
func (q *table) commit(key Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen[key]++
	shard := 0
	for _, c := range key.Topic + key.Key {
		shard = (shard*31 + int(c)) % q.shards
	}
	q.rows = append(q.rows, Record{Row: q.next, Shard: int16(shard), Message: Message{Topic: key.Topic, Key: key.Key,
		Type: "t", Payload: []byte(strconv.Itoa(q.seen[key])), CreatedAt: time.Now()}})
	q.next++
}

// publishable counts the rows that are not behind a dead letter.
func (q *table) publishable() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, r := range q.rows {
		if _, blocked := q.blocked[Key{r.Topic, r.Key}]; !blocked {
			n++
		}
	}
	return n
}

func (q *table) letters() map[int64]Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.dead)
}

func (q *table) requeue(row int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rec := q.dead[row]
	delete(q.dead, row)
	delete(q.blocked, Key{rec.Topic, rec.Key})
	rec.Attempts = 0
	q.epoch++
	q.rows = append(q.rows, rec)
	slices.SortFunc(q.rows, func(a, b Record) int { return cmp.Compare(a.Row, b.Row) })
}

// view is one relay's connection to the table: slow, failing now and then, and dead after a crash.
type client struct {
	*table
	d       *dice
	f       faults
	crashed chan struct{}
	marks   map[Lease]int64 // how far each has been read; what is below comes back only when asked for
}

func newClient(t *table, d *dice, f faults) *client {
	return &client{table: t, d: d, f: f, crashed: make(chan struct{}), marks: make(map[Lease]int64)}
}

var errFault = errors.New("injected fault")

func (c *client) call(ctx context.Context) error {
	c.d.sleep(c.f.dbDelay)
	select {
	case <-c.crashed:
		return errFault
	default:
	}
	if c.d.one(c.f.db) {
		return errFault
	}
	return ctx.Err()
}

func (c *client) Lease(ctx context.Context, _ string, ttl time.Duration) ([]Lease, error) {
	if err := c.call(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Lease
	for i := range c.shards {
		out = append(out, Lease{Shard: int16(i), Epoch: c.epoch, Until: time.Now().Add(ttl)})
	}
	return out, nil
}

func (c *client) Release(context.Context, string, []Lease) error { return nil }

func (c *client) Fetch(ctx context.Context, p Page) ([]Record, error) {
	c.d.sleep(c.f.dbDelay)
	out := c.read(p)
	if err := c.call(ctx); err != nil { // what was read is old when it arrives
		return nil, err
	}
	c.mark(p, out)
	return out, nil
}

func (c *client) read(p Page) []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetches++
	mine := make(map[int16]Lease)
	for _, l := range p.Leases {
		l.Until = time.Time{}
		if l.Epoch == c.epoch {
			mine[l.Shard] = l
		}
		if p.Again > 0 {
			c.marks[l] = min(c.marks[l], p.Again-1)
		}
	}
	var out []Record
	size := 0
	for _, r := range c.rows {
		key := Key{r.Topic, r.Key}
		l, leased := mine[r.Shard]
		if _, blocked := c.blocked[key]; blocked || !leased || r.Row <= c.marks[l] || slices.Contains(p.Held, r.Row) ||
			slices.Contains(p.Topics, r.Topic) || slices.Contains(p.Keys, key) {
			continue
		}
		if out = append(out, r); len(out) == p.Limit {
			break
		}
		if size += len(r.Payload); p.Bytes > 0 && size >= p.Bytes {
			break
		}
	}
	return out
}

// mark notes that recs are in the relay's hands.
func (c *client) mark(p Page, recs []Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p.Topics)+len(p.Keys) > 0 || len(recs) == 0 {
		return
	}
	for _, l := range p.Leases {
		l.Until = time.Time{}
		c.marks[l] = max(c.marks[l], recs[len(recs)-1].Row)
	}
}

func (c *client) Delete(ctx context.Context, rows []int64) error {
	if err := c.call(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.rows = slices.DeleteFunc(c.rows, func(r Record) bool { return slices.Contains(rows, r.Row) })
	c.mu.Unlock()
	return c.call(ctx) // done, but the answer may be lost
}

func (c *client) Reject(ctx context.Context, row int64, _ string, limit int, block bool) (bool, error) {
	if err := c.call(ctx); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.rows, func(r Record) bool { return r.Row == row })
	if i < 0 {
		return true, nil
	}
	c.rows[i].Attempts++
	if c.rows[i].Attempts < limit {
		return false, nil
	}
	rec := c.rows[i]
	c.rows = slices.Delete(c.rows, i, i+1)
	c.dead[row] = rec
	if block {
		c.blocked[Key{rec.Topic, rec.Key}] = row
	}
	return true, nil
}

func (c *client) Stats(context.Context) (Stats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Pending: int64(len(c.rows)), Dead: int64(len(c.dead)), BlockedKeys: int64(len(c.blocked))}, nil
}

// world is a table, a sink and the relays between them.
type world struct {
	t     *testing.T
	d     *dice
	table *table
	sink  *sink
	cfg   Config
	wg    sync.WaitGroup
}

func newWorld(t *testing.T, seed uint64, shards int) *world {
	return &world{t: t, d: newDice(seed), table: newTable(shards), sink: &sink{},
		cfg: Config{Batch: 20, Held: 100, Lanes: 2, HeldBytes: 2 * MaxPayload}}
}

// relay starts a relay; crash ends it in the middle of everything, with messages still under way; stop ends it in
// good order.
func (w *world) relay(f faults, pipeline bool) (r *Relay, l *link, stop, crash func()) {
	w.t.Helper()
	c := newClient(w.table, w.d, f)
	l = &link{sink: w.sink, d: w.d, f: f, pipeline: pipeline, wg: &w.wg, inflight: make(map[Key]int), pipe: make(chan func(), 10_000)}
	r = newRelay(w.t, c, l, w.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	if pipeline {
		quit := make(chan struct{})
		w.wg.Go(func() {
			for {
				select {
				case f := <-l.pipe:
					w.d.sleep(l.f.delay)
					f()
				case <-quit:
					return
				}
			}
		})
		inner := cancel
		cancel = func() { inner(); close(quit) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	crash = func() { once.Do(func() { close(c.crashed); cancel(); <-done }) }
	return r, l, stop, crash
}

func newRelay(t *testing.T, q Queue, p Publisher, cfg Config) *Relay {
	t.Helper()
	r, err := NewRelay(q, p, cfg, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs r until the returned function is called.
func run(t *testing.T, r *Relay) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// leases is a client whose leases can fail.
type leases struct {
	*client
	down atomic.Bool
}

func (q *leases) Lease(ctx context.Context, owner string, ttl time.Duration) ([]Lease, error) {
	if q.down.Load() {
		return nil, errFault
	}
	return q.client.Lease(ctx, owner, ttl)
}

// bell is a Waker between the relays that share it.
type bell struct {
	mu    sync.Mutex
	wakes []func(leases bool)
}

var _ Waker = ringing{}

// ringing is a client with a bell. Without shards it leaves all rows to others.
type ringing struct {
	*client
	*bell
	idle bool
}

func (q ringing) Listen(ctx context.Context, wake func(leases bool)) {
	q.bell.mu.Lock()
	q.wakes = append(q.wakes, wake)
	q.bell.mu.Unlock()
	<-ctx.Done()
}

func (q ringing) Notify() {
	q.bell.mu.Lock()
	defer q.bell.mu.Unlock()
	for _, wake := range q.wakes {
		wake(false)
	}
}

func (q ringing) Lease(ctx context.Context, owner string, ttl time.Duration) ([]Lease, error) {
	if q.idle {
		return nil, nil
	}
	return q.client.Lease(ctx, owner, ttl)
}

// settle waits until everything that can be published is.
func (w *world) settle() {
	w.t.Helper()
	for range 100_000 {
		if w.table.publishable() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("%d rows are stuck in the outbox", w.table.publishable())
}

// check is the oracle: per key the first occurrences count 1, 2, 3 … up to what was committed, without the dead;
// nothing else is there. It returns the number of duplicates.
func (w *world) check() (duplicates int) {
	w.t.Helper()
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	dead := make(map[string]bool)
	for _, r := range w.table.dead {
		dead[fmt.Sprint(r.Topic, "/", r.Key, "/", string(r.Payload))] = true
	}
	last := make(map[Key]int)
	skip := func(key Key) {
		for dead[fmt.Sprint(key.Topic, "/", key.Key, "/", last[key]+1)] {
			last[key]++
		}
	}
	for i, m := range w.sink.log {
		key := Key{m.Topic, m.Key}
		n, err := strconv.Atoi(string(m.Payload))
		if err != nil {
			w.t.Fatal(err)
		}
		skip(key)
		switch {
		case n <= last[key]:
			duplicates++
		case n == last[key]+1:
			last[key] = n
		default:
			w.t.Fatalf("position %d: %v: event %d arrived before event %d", i, key, n, last[key]+1)
		}
	}
	for key, n := range w.table.seen {
		skip(key)
		if _, blocked := w.table.blocked[key]; last[key] != n && !blocked {
			w.t.Fatalf("%v: %d of %d events arrived", key, last[key], n)
		}
	}
	return duplicates
}
