package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sample is what one turn of one variant measured. A quantity that was not measured is 0.
type sample struct {
	Rate     float64 // operations a second
	CPU      float64 // µs of this process (or of the server under test) per operation
	Database float64 // µs of the database server per operation
	P50, P99 float64 // ms
	Allocs   float64 // per operation
	Behind   float64 // events that were emitted and not published, per second
}

// variant is one way to do what a table is about.
type variant struct {
	name string
	turn func(ctx context.Context) (sample, error)
}

// table is what one interleaved run measured.
type table struct {
	title   string
	columns []column
	names   []string
	rounds  []map[string]sample // a variant that failed in a round is missing there
	notes   []string
}

// column is one quantity as it is shown.
type column struct {
	head   string
	format string
	of     func(sample) float64
}

var (
	rate     = column{"per second", "%.0f", func(s sample) float64 { return s.Rate }}
	ownCPU   = column{"client CPU µs", "%.0f", func(s sample) float64 { return s.CPU }}
	database = column{"database CPU µs", "%.0f", func(s sample) float64 { return s.Database }}
	p50      = column{"p50 ms", "%.2f", func(s sample) float64 { return s.P50 }}
	p99      = column{"p99 ms", "%.1f", func(s sample) float64 { return s.P99 }}
	allocs   = column{"allocations", "%.1f", func(s sample) float64 { return s.Allocs }}
	behind   = column{"events left behind, per second", "%.0f", func(s sample) float64 { return s.Behind }}
	srvCPU   = column{"server CPU µs", "%.1f", func(s sample) float64 { return s.CPU }}
)

// interleave gives every variant its turn in every round, in an order shuffled anew. Nothing is measured beside
// another thing, and a machine that is busy for a while is busy for all.
func (b *bench) interleave(ctx context.Context, t *table, variants []variant) error {
	variants = slices.DeleteFunc(variants, func(v variant) bool { return !b.match.MatchString(v.name) })
	for _, v := range variants {
		t.names = append(t.names, v.name)
	}
	b.tables = append(b.tables, t)
	failed := map[string]bool{}
	for round := range b.rounds {
		samples := map[string]sample{}
		for _, i := range b.rand.Perm(len(variants)) {
			v := variants[i]
			if failed[v.name] {
				continue
			}
			turn, cancel := context.WithTimeout(ctx, 2*time.Minute)
			s, err := v.turn(turn)
			cancel()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				failed[v.name] = true
				t.notes = append(t.notes, fmt.Sprintf("%s failed: %v", v.name, err))
				printf(b.log, "bench: %s: %s: %v\n", t.title, v.name, err)
				continue
			}
			printf(b.log, "%s %d/%d: %s: %.0f/s\n", t.title, round+1, b.rounds, v.name, s.Rate)
			samples[v.name] = s
		}
		t.rounds = append(t.rounds, samples)
	}
	return nil
}

// spread is a median with its range.
type spread struct{ median, least, most float64 }

// spreadOf returns the spread of values, of which there is at least one.
func spreadOf(values []float64) spread {
	slices.Sort(values)
	n := len(values)
	median := values[n/2]
	if n%2 == 0 {
		median = (values[n/2-1] + median) / 2
	}
	return spread{median, values[0], values[n-1]}
}

// values are a variant's, of those rounds in which it was measured.
func (t *table) values(name string, of func(sample) float64) []float64 {
	var out []float64
	for _, r := range t.rounds {
		if s, ok := r[name]; ok {
			out = append(out, of(s))
		}
	}
	return out
}

// ratio is the spread of ours to theirs within each round, where the machine was equally busy for both.
func (t *table) ratio(ours, theirs string, of func(sample) float64) (spread, bool) {
	var out []float64
	for _, r := range t.rounds {
		a, ok1 := r[ours]
		b, ok2 := r[theirs]
		if ok1 && ok2 && of(b) > 0 {
			out = append(out, of(a)/of(b))
		}
	}
	if len(out) == 0 {
		return spread{}, false
	}
	return spreadOf(out), true
}

// together calls f from as many goroutines as there are clients until the time is over, after a warm-up that opens
// connections and prepares statements.
func together(ctx context.Context, clients int, lasts time.Duration, server *processes, f func(ctx context.Context, n int64) error) (sample, error) {
	var n atomic.Int64
	round := func(done func() bool) error {
		var wg sync.WaitGroup
		var failed atomic.Pointer[error]
		for range clients {
			wg.Go(func() {
				for !done() && failed.Load() == nil {
					if err := f(ctx, n.Add(1)); err != nil {
						failed.CompareAndSwap(nil, &err)
						return
					}
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return *err
		}
		return nil
	}
	warm := int64(clients * 20)
	if err := round(func() bool { return n.Load() >= warm }); err != nil {
		return sample{}, err
	}
	before, own, theirs, began := n.Load(), cpuTime(), server.cpu(), time.Now()
	end := began.Add(lasts)
	if err := round(func() bool { return time.Now().After(end) }); err != nil {
		return sample{}, err
	}
	ops := float64(n.Load() - before)
	return sample{
		Rate: ops / time.Since(began).Seconds(), CPU: micros(cpuTime()-own) / ops, Database: micros(server.cpu()-theirs) / ops,
	}, nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// processes are a server's, found by the port in the command line of the first of them. A nil or empty one has used
// nothing, as on systems without /proc.
type processes struct{ root int }

// listening finds the server whose command line has arg.
func listening(arg ...string) *processes {
	entries, _ := os.ReadDir("/proc") // not everywhere
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && strings.Contains("\x00"+string(line), "\x00"+strings.Join(arg, "\x00")+"\x00") {
			return &processes{pid}
		}
	}
	return &processes{}
}

// cpu is what the server has used: its first process, its children, and those that have ended.
func (p *processes) cpu() time.Duration {
	if p == nil || p.root == 0 {
		return 0
	}
	const ticks = 100 // USER_HZ on every Linux that Go runs on
	var sum int64
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name in parentheses may have spaces; what follows it has not.
		_, rest, _ := strings.Cut(string(stat), ") ")
		f := strings.Fields(rest)
		if len(f) < 15 {
			continue
		}
		parent, _ := strconv.Atoi(f[1])
		if pid != p.root && parent != p.root {
			continue
		}
		counted := f[11:13]
		if pid == p.root {
			counted = f[11:15] // with the children it has waited for
		}
		for _, field := range counted {
			n, _ := strconv.ParseInt(field, 10, 64)
			sum += n
		}
	}
	return time.Duration(sum) * time.Second / ticks
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}
