package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/svcgen/svcgen/test/history"
	"github.com/svcgen/svcgen/test/rig"
	"github.com/svcgen/svcgen/test/subject"
	"github.com/svcgen/svcgen/test/tap"
	"github.com/svcgen/svcgen/test/workload"
)

// Fault is something that goes wrong, and what must hold meanwhile.
type Fault struct {
	Name     string
	Stack    workload.Stack
	Nodes    int // of Kafka; 0: one
	Replicas int // of the service; 0: one
	Env      []string
	// SmallDisk gives the database a server of its own, on a disk that can be filled.
	SmallDisk bool
	Keys      int // of the load; 0: as many as usual. Few keys make transactions and events of one key meet
	// Patience is how long is waited at the end for what does not come; 0: as long as it may take.
	Patience time.Duration
	Patches  []subject.Patch
	Expect   history.Expect
	// Inflict does it, and undoes it. It says so by Begin and Heal.
	Inflict func(ctx context.Context, s *Scene) error
}

// Scene is a run: a service under load, and what it runs on.
type Scene struct {
	Fault  Fault
	Rand   *rand.Rand
	DB     *database
	Server *rig.Server         // the broker, or the node of it that the fault is about
	Rabbit *rig.RabbitMQServer // or
	Kafka  *rig.KafkaCluster
	Load   *workload.Load

	lab    *Lab
	name   string // of the fault under way
	build  *build
	broker *broker
	rec    *history.Recorder
	prefix string
	dir    string

	mu        sync.Mutex
	processes []*Process
	arrived   map[string]bool
	lastTap   time.Time
	strange   error
	unready   atomic.Int64 // how often a process was seen not to be ready
	watchers  sync.WaitGroup
	watching  context.Context
	onClose   func() error
}

// Process is a process of the service in a scene.
type Process struct {
	*subject.Process
	Name string

	mu     sync.Mutex
	silent bool // it is paused, killed or asked to end: what it says of itself does not count
	turns  int  // how often that has changed
}

func (p *Process) hush(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
	p.turns++
}

func (p *Process) hushed() bool {
	silent, _ := p.hushes()
	return silent
}

func (p *Process) hushes() (silent bool, turns int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.silent, p.turns
}

const (
	rate    = 400 // calls a second: the proof is in faults, not in how much a machine can take
	writers = 16
	keys    = 64
	before  = 200             // calls that must have succeeded before a fault
	after   = 200             // and after it
	wait    = 5 * time.Second // of a caller for its answer
	// waitLong is wait where no call may fail, on a machine that has other things to do.
	waitLong = 20 * time.Second
	// pause is how long a server or a process is stopped: longer than leases last, and than callers wait, since all of them may
	// have their answers when it goes on sooner, and nothing is seen to fail.
	pause = wait + time.Second
	// drain is how long the outbox may take to become empty after the load has ended.
	drain = time.Minute
	// quiet is how long nothing must have arrived before the rest counts as lost.
	quiet = 30 * time.Second
)

// settings make a service notice within a run what it would notice within a minute, and believe a refusal soon.
var settings = []string{
	"RELAY_LEASE_TTL=3s", "RELAY_RETRY_MAX=1s", "RELAY_MAX_ATTEMPTS=3", "DATABASE_CONNECT_TIMEOUT=2s", "DATABASE_STATEMENT_TIMEOUT=2s",
}

var brokerSettings = map[string][]string{
	"rabbitmq": {"RABBITMQ_TIMEOUT=3s", "RABBITMQ_HEARTBEAT=1s"},
	"kafka":    {"KAFKA_TIMEOUT=3s"},
}

// record runs f and writes its history.
func (l *Lab) record(ctx context.Context, f Fault, seed uint64, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	return l.play(ctx, f, seed, rate, out, func(ctx context.Context, s *Scene) error {
		if err := s.Succeed(ctx, before); err != nil {
			return err
		}
		if err := f.Inflict(ctx, s); err != nil {
			return err
		}
		return s.Succeed(ctx, after)
	})
}

// play starts the service of f and a load of so many calls a second, does what is to be done, and waits for the end of
// all that was begun.
func (l *Lab) play(ctx context.Context, f Fault, seed uint64, rate int, out io.Writer, do inflict) (err error) {
	s, err := l.scene(ctx, f, seed, out)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.mend())
		}
		err = errors.Join(err, s.close())
	}()
	for range max(f.Replicas, 1) {
		if _, err := s.Start(ctx); err != nil {
			return err
		}
	}
	opts := workload.Options{Prefix: s.prefix, Writers: writers, Keys: cmp.Or(s.Fault.Keys, keys), Rate: rate, Seed: seed, Wait: wait}
	if s.Fault.Expect.Answers {
		opts.Wait = waitLong
	}
	if s.Load, err = workload.Start(ctx, s.build.tree, s.rec, opts); err != nil {
		return err
	}
	defer s.Load.Stop()
	s.use()
	if err := do(ctx, s); err != nil {
		return err
	}
	s.Load.Stop()
	return s.finish(ctx)
}

func (l *Lab) scene(ctx context.Context, f Fault, seed uint64, out io.Writer) (*Scene, error) {
	s := &Scene{
		Fault: f, Rand: rand.New(rand.NewPCG(seed, 1)), lab: l, name: f.Name, prefix: rig.Unique("r"), dir: l.dir,
		arrived: map[string]bool{}, lastTap: time.Now(),
	}
	var err error
	if s.build, err = l.build(ctx, f.Stack, f.Patches); err != nil {
		return nil, err
	}
	b, err := l.broker(ctx, f.Stack.Broker, max(f.Nodes, 1))
	if err != nil {
		return nil, err
	}
	s.broker = b
	if s.DB, err = l.database(ctx, f, s.build); err != nil {
		return nil, err
	}
	if s.Rabbit, s.Kafka = b.rabbit, b.kafka; s.Rabbit != nil {
		s.Server = s.Rabbit.Server
	} else {
		s.Server = s.Kafka.Nodes[0]
	}
	s.rec = history.NewRecorder(out, f.Name, seed, f.Expect)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.watching = watching
	s.watchers.Go(func() { s.watchDepth(watching) })
	b.listen(s.hear)
	s.onClose = func() error {
		b.listen(nil)
		stop()
		s.watchers.Wait()
		return errors.Join(s.rec.Close(), s.DB.Close())
	}
	return s, nil
}

// mend makes the servers well again of a run that ended in the middle of a fault: other runs need them.
func (s *Scene) mend() error {
	ctx := context.Background() // the run's own may be over
	servers := []*rig.Server{s.Server}
	if s.DB.server != nil {
		servers = append(servers, s.DB.server)
	}
	if s.Kafka != nil {
		servers = append(servers, s.Kafka.Nodes[1:]...)
	}
	var errs []error
	for _, v := range servers {
		v.Proxy().Heal()
		errs = append(errs, v.Start(ctx), v.Resume())
	}
	if s.Rabbit != nil {
		_, err := s.Rabbit.Ctl(ctx, unblocked...)
		errs = append(errs, err, s.bind())
	}
	return errors.Join(errs...)
}

// close ends what is left of a run, whatever it came to.
func (s *Scene) close() error {
	for _, p := range s.Processes() {
		p.hush(true)
		p.Close()
	}
	return s.onClose()
}

// hear takes in what the tap got. What belongs to an earlier run is a late repetition.
func (s *Scene) hear(m tap.Message) {
	if !strings.HasPrefix(m.Key, s.prefix) {
		return
	}
	rec, err := workload.Event(s.build.tree, m)
	s.mu.Lock()
	s.lastTap = time.Now()
	s.arrived[rec.Op] = true
	if err != nil && s.strange == nil {
		s.strange = err
	}
	s.mu.Unlock()
	s.rec.Add(rec)
}

// Start starts one more process of the service and lets calls go to it. One that ended before it was ready is returned
// with the error.
func (s *Scene) Start(ctx context.Context, env ...string) (*Process, error) {
	t := s.build.tree
	vars := t.Env(append(append([]string{"DATABASE_URL=" + s.DB.wire, s.brokerSetting()}, settings...), brokerSettings[s.Fault.Stack.Broker]...)...)
	vars = append(append(vars, t.Env(s.Fault.Env...)...), env...)
	started, err := t.Start(ctx, s.build.bin, s.dir, vars)
	if err != nil {
		return nil, err
	}
	p := &Process{Process: started}
	s.mu.Lock()
	s.processes = append(s.processes, p)
	p.Name = fmt.Sprintf("p%d", len(s.processes))
	s.mu.Unlock()
	s.note(p, "started")
	if err := p.Ready(ctx); err != nil {
		return p, err
	}
	s.note(p, "ready")
	s.watchers.Go(func() { s.watchHealth(s.watching, p) })
	s.use()
	return p, nil
}

func (s *Scene) brokerSetting() string {
	if s.Rabbit != nil {
		return "RABBITMQ_URL=" + s.Rabbit.ProxyURL()
	}
	return "KAFKA_BROKERS=" + s.Kafka.ProxyBrokers()
}

// Processes are those that have not ended.
func (s *Scene) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	var up []*Process
	for _, p := range s.processes {
		select {
		case <-p.Ended:
		default:
			up = append(up, p)
		}
	}
	return up
}

// use lets calls go to the processes that are up and welcome them.
func (s *Scene) use() {
	if s.Load == nil {
		return
	}
	var welcome []*subject.Process
	for _, p := range s.Processes() {
		if !p.hushed() {
			welcome = append(welcome, p.Process)
		}
	}
	s.Load.Use(welcome...)
}

func (s *Scene) note(p *Process, what string) {
	s.rec.Add(history.Record{Kind: history.Process, Name: p.Name, Text: what})
}

// Kill is kill -9 of a process.
func (s *Scene) Kill(p *Process) {
	p.hush(true)
	p.Kill()
	s.note(p, "killed")
	s.use()
}

// Died waits for a process to end by itself.
func (s *Scene) Died(ctx context.Context, p *Process) error {
	select {
	case <-p.Ended:
	case <-ctx.Done():
		return fmt.Errorf("%s lives on: %w", p.Name, ctx.Err())
	}
	p.hush(true)
	s.note(p, "killed")
	s.use()
	return nil
}

// Stop is SIGTERM, after calls have been sent elsewhere as a load balancer does, and waits for an orderly end.
func (s *Scene) Stop(ctx context.Context, p *Process) error {
	p.hush(true)
	s.use()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := p.Process.Stop(ctx)
	s.note(p, "stopped")
	return err
}

// Pause is SIGSTOP of a process; calls go on to it.
func (s *Scene) Pause(p *Process) error {
	p.hush(true)
	s.note(p, "paused")
	return p.Signal(syscall.SIGSTOP)
}

// Resume ends a Pause.
func (s *Scene) Resume(p *Process) error {
	err := p.Signal(syscall.SIGCONT)
	p.hush(false)
	s.note(p, "resumed")
	return err
}

// Begin says that the fault begins.
func (s *Scene) Begin() { s.rec.Add(history.Record{Kind: history.Begin, Name: s.name}) }

// Heal says that what the fault hit answers again.
func (s *Scene) Heal() { s.rec.Add(history.Record{Kind: history.Heal, Name: s.name}) }

// Seen says by what the fault was seen to bite.
func (s *Scene) Seen(format string, args ...any) {
	s.rec.Add(history.Record{Kind: history.Seen, Name: s.name, Text: fmt.Sprintf(format, args...)})
}

// For lets the fault last.
func (s *Scene) For(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Succeed waits until n more calls have succeeded.
func (s *Scene) Succeed(ctx context.Context, n int) error {
	want := s.Load.OK() + n
	return s.Until(ctx, time.Minute, fmt.Sprintf("%d calls succeed", n), func(context.Context) error {
		if got := s.Load.OK(); got < want {
			return fmt.Errorf("%d are missing", want-got)
		}
		return nil
	})
}

// Until asks check until it is content.
func (s *Scene) Until(ctx context.Context, limit time.Duration, what string, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return subject.Until(ctx, what, check, nil)
}

// exec changes the service's database as its owner may.
func (s *Scene) exec(ctx context.Context, statements ...string) error {
	for _, q := range statements {
		if _, err := s.DB.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// Depth is how many events wait in the outbox.
func (s *Scene) Depth(ctx context.Context) (n int, err error) {
	err = s.DB.QueryRowContext(ctx, "SELECT count(*) FROM outbox").Scan(&n)
	return n, err
}

// watchDepth writes down how many events wait, as far as the database answers.
func (s *Scene) watchDepth(ctx context.Context) {
	every(ctx, nil, 250*time.Millisecond, func() {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if n, err := s.Depth(asking); err == nil {
			s.rec.Add(history.Record{Kind: history.Depth, Pending: n})
		}
	})
}

// gauges are what must be back to normal after a fault.
var gauges = []string{"go_goroutines", "process_open_fds"}

// watchHealth writes down what a process says of itself while it is up and runs.
func (s *Scene) watchHealth(ctx context.Context, p *Process) {
	every(ctx, p.Ended, 200*time.Millisecond, func() {
		silent, turns := p.hushes()
		if silent {
			return
		}
		asking, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		rec := history.Record{Kind: history.Status, Name: p.Name}
		ready, live := p.Probe(asking, "/readyz", http.StatusOK), p.Probe(asking, "/livez", http.StatusOK)
		rec.Ready, rec.Live = ready == nil, live == nil
		if values, err := p.Metrics(asking, gauges...); err == nil {
			rec.Gauges = values
		}
		if err := errors.Join(ready, live); err != nil {
			rec.Text = err.Error()
			// It may have died of a failpoint and nobody knows yet.
			select {
			case <-p.Ended:
				return
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
		// It may have become so since, and perhaps goes on already.
		if silent, now := p.hushes(); silent || now != turns || ctx.Err() != nil {
			return
		}
		s.rec.Add(rec)
		if !rec.Ready {
			s.unready.Add(1)
		}
	})
}

// every does something until ctx or ended is done.
func every(ctx context.Context, ended <-chan struct{}, pause time.Duration, do func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-tick.C:
			do()
		}
	}
}

// finish waits for the end of what the load has begun, and writes down what there is.
func (s *Scene) finish(ctx context.Context) error {
	if s.drained(ctx) == nil {
		if err := s.arrive(ctx); err != nil {
			return err
		}
	}
	for _, p := range s.Processes() {
		if err := s.Stop(ctx, p); err != nil {
			return err
		}
	}
	if s.strange != nil {
		return s.strange
	}
	// An outbox that did not drain is in the history, and judged there.
	return workload.Final(ctx, s.build.tree, s.DB.DB, s.Fault.Stack, s.prefix, s.rec)
}

// drained waits until no event waits.
func (s *Scene) drained(ctx context.Context) error {
	return s.Until(ctx, cmp.Or(s.Fault.Patience, drain), "the outbox drains", func(ctx context.Context) error {
		n, err := s.Depth(ctx)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d events wait", n)
		}
		return err
	})
}

// arrive waits until the tap has got what the database says was committed, or nothing has come for long: of that, an outage
// just before does not count.
func (s *Scene) arrive(ctx context.Context) error {
	missing, err := s.committed(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	return s.Until(ctx, time.Minute, "the tap catches up", func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		silent := min(time.Since(s.lastTap), time.Since(began))
		missing = slices.DeleteFunc(missing, func(op string) bool { return s.arrived[op] })
		if len(missing) > 0 && silent < cmp.Or(s.Fault.Patience, quiet) {
			return fmt.Errorf("%d events are missing", len(missing))
		}
		return nil
	})
}

// committed lists the operations of this run that are in the database.
func (s *Scene) committed(ctx context.Context) ([]string, error) {
	return column[string](ctx, s.DB, "SELECT op FROM entry")
}
